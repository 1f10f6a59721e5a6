"""The same turn in PydanticAI with the cluster's tools: the whole turn is one execution."""

import os
from collections.abc import Sequence

import scripted
from pydantic_ai import Agent

import toolwave
from toolwave.adapters.pydantic_ai import run_with_toolwave


async def turn(cities: Sequence[str]) -> scripted.Report:
    address = os.environ.get("TOOLWAVE_COORDINATOR", "127.0.0.1:7420")
    async with toolwave.AsyncClient(address) as client:
        agent = Agent(scripted.pydantic_ai(cities))
        tools = await client.list_tools()

        async def run() -> object:
            return (await run_with_toolwave(agent, "Look up five cities.", client=client, tools=tools)).output

        return await scripted.timed(run())


if __name__ == "__main__":
    scripted.main(turn)
