"""An agent turn with five tool calls in LangChain alone."""

from collections.abc import Sequence

import scripted
from cities import look_up
from langchain.agents import create_agent


async def turn(cities: Sequence[str]) -> scripted.Report:
    agent = create_agent(scripted.langchain(cities), [look_up])

    async def run() -> object:
        state = await agent.ainvoke({"messages": [("user", "Look up five cities.")]})
        return state["messages"][-1].content

    return await scripted.timed(run())


if __name__ == "__main__":
    scripted.main(turn)
