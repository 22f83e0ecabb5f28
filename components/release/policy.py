"""The policy that a release is decided by, as it travels through the graph: the sections gate and decide."""

from __future__ import annotations

import json

from components.core.errors import InvalidInput
from components.release.decide.settings import Decide


def decide_section(policy: str) -> Decide:
    """Whom the policy asks. Raises InvalidInput for a text that is no policy."""
    try:
        return Decide.model_validate(json.loads(policy)["decide"])
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(
            f"policy: has no section decide that can be read ({error}); compile the graph again"
        ) from error
