"""The same turn in LangChain with the cluster's tools."""

import os
from collections.abc import Sequence

import scripted
from langchain.agents import create_agent

import toolwave
from toolwave.adapters import langchain


async def turn(cities: Sequence[str]) -> scripted.Report:
    address = os.environ.get("TOOLWAVE_COORDINATOR", "127.0.0.1:7420")
    async with toolwave.AsyncClient(address) as client, toolwave.Batcher(client) as batcher:
        agent = create_agent(scripted.langchain(cities), langchain.tools(batcher, await client.list_tools()))

        async def run() -> object:
            state = await agent.ainvoke({"messages": [("user", "Look up five cities.")]})
            return state["messages"][-1].content

        return await scripted.timed(run())


if __name__ == "__main__":
    scripted.main(turn)
