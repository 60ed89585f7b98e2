"""Tool calls of a Realtime conversation and their results, which may only leave when their response is over.

Sent earlier, a result can be refused (`invalid_tool_call_id`). One response may hold several calls: the next response
is asked for when all of them are answered.
"""


class ToolCalls:
    """Calls that wait for their result, and results that wait for the end of their response."""

    def __init__(self) -> None:
        self._open: dict[str, str] = {}
        self._known: set[str] = set()
        self._results: list[tuple[str, str]] = []

    def begin(self, call_id: str, response_id: str) -> bool:
        """A call is complete. False for one that was heard of before."""
        if not call_id or call_id in self._known:
            return False
        self._known.add(call_id)
        self._open[call_id] = response_id
        return True

    def answer(self, call_id: str, output: str) -> None:
        """Take a result; that of a call which nobody waits for (it was made in an earlier session) is dropped."""
        if call_id in self._open:
            self._results.append((call_id, output))

    def results(self) -> tuple[list[tuple[str, str]], set[str]]:
        """Take out the results so far, and the responses that are thereby answered completely."""
        results, self._results = self._results, []
        touched = {self._open.pop(call_id) for call_id, _ in results}
        return results, touched - set(self._open.values())

    def reset(self) -> None:
        """A new session knows none of the calls."""
        self._open.clear()
        self._results.clear()
