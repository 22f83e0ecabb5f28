from __future__ import annotations

import pytest

from components.core.errors import InvalidInput
from components.data.tokenise.chat_template import ChatTemplate, TemplateRefusal

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TALK = [
    {"role": "user", "content": "one"},
    {"role": "assistant", "content": "two"},
    {"role": "user", "content": "three"},
    {"role": "assistant", "content": "four"},
]


def test_a_span_holds_what_the_assistant_said_and_the_token_that_ends_it() -> None:
    text, spans = ChatTemplate(CHATML, {}).render_with_spans(TALK)
    assert [text[begin:end] for begin, end in spans] == ["two<|im_end|>", "four<|im_end|>"]


def test_a_template_may_name_the_special_tokens() -> None:
    template = ChatTemplate("{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}", {"bos_token": "<s>"})
    assert template.render(TALK[:1]) == "<s>one"


def test_a_template_that_rewrites_earlier_turns_is_refused() -> None:
    forgetful = "{% for m in messages %}[{{ m.content if loop.last or m.role == 'user' else '…' }}]{% endfor %}"
    with pytest.raises(InvalidInput, match="writes turn 2 differently when another turn follows"):
        ChatTemplate(forgetful, {}).render_with_spans(TALK[:3])


def test_a_template_with_another_generation_prompt_than_its_turns_is_refused() -> None:
    other = "{% for m in messages %}[{{ m.content }}]{% endfor %}{% if add_generation_prompt %}(think){% endif %}"
    with pytest.raises(InvalidInput, match="does not begin turn 2 with its own generation prompt"):
        ChatTemplate(other, {}).render_with_spans(TALK[:2])


def test_a_template_that_is_no_jinja_is_refused() -> None:
    with pytest.raises(InvalidInput, match="is not Jinja"):
        ChatTemplate("{% for m in messages %}", {})


@pytest.mark.parametrize(
    "attack",
    ["{{ ''.__class__.__mro__ }}", "{{ messages.append(1) }}", "{{ cycler.__init__.__globals__ }}"],
)
def test_a_template_cannot_leave_its_sandbox(attack: str) -> None:
    template = ChatTemplate(attack, {})
    with pytest.raises(TemplateRefusal):
        template.render(TALK)


def test_a_template_that_asks_for_the_date_gets_the_one_it_was_written_with() -> None:
    dated = "{% if strftime_now is defined %}{{ strftime_now('%Y') }}{% else %}26 Jul 2024{% endif %}"
    assert ChatTemplate(dated, {}).render(TALK) == "26 Jul 2024"
