"""An agent turn with five tool calls in LlamaIndex alone, which runs four of them at a time."""

from collections.abc import Sequence

import scripted
from cities import look_up
from llama_index.core.agent.workflow import FunctionAgent


async def turn(cities: Sequence[str]) -> scripted.Report:
    agent = FunctionAgent(tools=[look_up], llm=scripted.llama_index(cities), streaming=False)

    async def run() -> object:
        return await agent.run("Look up five cities.")

    return await scripted.timed(run())


if __name__ == "__main__":
    scripted.main(turn)
