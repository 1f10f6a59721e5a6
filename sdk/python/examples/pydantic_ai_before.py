"""An agent turn with five tool calls in PydanticAI alone."""

from collections.abc import Sequence

import scripted
from cities import look_up
from pydantic_ai import Agent


async def turn(cities: Sequence[str]) -> scripted.Report:
    agent = Agent(scripted.pydantic_ai(cities), tools=[look_up])

    async def run() -> object:
        return (await agent.run("Look up five cities.")).output

    return await scripted.timed(run())


if __name__ == "__main__":
    scripted.main(turn)
