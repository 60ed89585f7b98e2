"""What the agent's stories share."""

import pytest

from tests.agent.stage import Stage


@pytest.fixture
def stage() -> type[Stage]:
    """Makes a call on virtual time, with both providers scripted."""
    return Stage
