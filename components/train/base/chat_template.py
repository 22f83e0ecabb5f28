"""The chat template of models made from scratch."""

from __future__ import annotations

END = "<|end|>"
PAD = "<|pad|>"
ROLES = ("system", "user", "assistant")
CONTROL_TOKENS = (PAD, END, *(f"<|{role}|>" for role in ROLES))

# Every turn is a control token, the text and one end token: nothing else to learn, nothing ambiguous to tokenise.
TEMPLATE = """\
{%- for message in messages -%}
{%- if message['role'] not in ['system', 'user', 'assistant'] -%}
{{- raise_exception('the roles are system, user and assistant, not ' + message['role']) -}}
{%- endif -%}
{{- '<|' + message['role'] + '|>' -}}
{%- if message['role'] == 'assistant' -%}
{%- generation -%}{{- message['content'] + '<|end|>' -}}{%- endgeneration -%}
{%- else -%}
{{- message['content'] + '<|end|>' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}
"""
