"""The same turn in OpenAI Agents with the cluster's tools."""

import os
from collections.abc import Sequence

import scripted
from agents import Agent, Runner, set_tracing_disabled

import toolwave
from toolwave.adapters import openai_agents

set_tracing_disabled(True)


async def turn(cities: Sequence[str]) -> scripted.Report:
    address = os.environ.get("TOOLWAVE_COORDINATOR", "127.0.0.1:7420")
    async with toolwave.AsyncClient(address) as client, toolwave.Batcher(client) as batcher:
        tools = openai_agents.tools(batcher, await client.list_tools())
        agent = Agent("cities", model=scripted.openai_agents(cities), tools=tools)

        async def run() -> object:
            return (await Runner.run(agent, "Look up five cities.")).final_output

        return await scripted.timed(run())


if __name__ == "__main__":
    scripted.main(turn)
