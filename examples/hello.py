"""Hello world: an agent with a tool. Without keys: `sipagent run examples/hello.py:agent --local`."""

from sipagent import Agent, run, tool


@tool
async def order_status(number: str) -> str:
    """Tell where an order is, given its number."""
    return f"Order {number} left the warehouse this morning."


agent = Agent(
    "You are Voxi, a helpful phone assistant. Keep replies short.",
    greeting="Hello! How can I help today?",
    tools=[order_status],
)

if __name__ == "__main__":
    run(agent)
