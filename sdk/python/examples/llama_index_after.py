"""The same turn in LlamaIndex with the cluster's tools, all at once."""

import os
from collections.abc import Sequence

import scripted
from llama_index.core.agent.workflow import FunctionAgent

import toolwave
from toolwave.adapters import llama_index


async def turn(cities: Sequence[str]) -> scripted.Report:
    address = os.environ.get("TOOLWAVE_COORDINATOR", "127.0.0.1:7420")
    async with toolwave.AsyncClient(address) as client, toolwave.Batcher(client, window=0.01) as batcher:
        tools = llama_index.tools(batcher, await client.list_tools())
        llm = scripted.llama_index(cities)
        agent = llama_index.unlimited(FunctionAgent)(tools=tools, llm=llm, streaming=False)

        async def run() -> object:
            return await agent.run("Look up five cities.")

        return await scripted.timed(run())


if __name__ == "__main__":
    scripted.main(turn)
