"""An agent turn with five tool calls in OpenAI Agents alone."""

from collections.abc import Sequence

import scripted
from agents import Agent, Runner, function_tool, set_tracing_disabled
from cities import look_up

set_tracing_disabled(True)


async def turn(cities: Sequence[str]) -> scripted.Report:
    agent = Agent("cities", model=scripted.openai_agents(cities), tools=[function_tool(look_up)])

    async def run() -> object:
        return (await Runner.run(agent, "Look up five cities.")).final_output

    return await scripted.timed(run())


if __name__ == "__main__":
    scripted.main(turn)
