"""Models that need no network: each asks for all cities in one turn, then says how many it was told of."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cities import FLAKY_TURN, TURN


@dataclass
class Report:
    """What became of one turn."""

    answered: int
    seconds: float
    ended: str

    def __str__(self) -> str:
        return f"{self.answered} of 5 answered in {self.seconds * 1000:.0f} ms; the run ended: {self.ended}"


async def timed(run: Awaitable[Any]) -> Report:
    """Waits for a run whose outcome is what its model said last."""
    started = time.perf_counter()
    try:
        said = str(await run)
    except Exception as error:
        return Report(0, time.perf_counter() - started, f"{type(error).__name__}: {error}")
    return Report(int(said.split()[0]), time.perf_counter() - started, said)


def main(turn: Callable[[Sequence[str]], Awaitable[Report]]) -> None:
    """Runs an example from the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--flaky", action="store_true", help="let one of the five calls fail at its first try")
    cities = FLAKY_TURN if parser.parse_args().flaky else TURN

    async def run() -> None:
        print(await turn(cities))

    asyncio.run(run())


def _found(texts: Sequence[str]) -> str:
    return f"{sum('is found' in text for text in texts)} found"


def langchain(cities: Sequence[str]) -> Any:
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage, ToolMessage
    from langchain_core.outputs import ChatGeneration, ChatResult

    class Scripted(GenericFakeChatModel):
        def bind_tools(self, tools: Any, **_: Any) -> Any:
            return self

        def _generate(self, messages: Any, *_: Any, **__: Any) -> ChatResult:
            told = [str(message.content) for message in messages if isinstance(message, ToolMessage)]
            calls = [{"name": "look_up", "args": {"city": city}, "id": city} for city in cities]
            answer = AIMessage(_found(told)) if told else AIMessage("", tool_calls=calls)
            return ChatResult(generations=[ChatGeneration(message=answer)])

    return Scripted(messages=iter(()))


def openai_agents(cities: Sequence[str]) -> Any:
    from agents.testing import ModelStep, ScriptedModel, assistant_message, function_call

    def last(call: Any) -> Any:
        outputs = [str(item["output"]) for item in call.input if item.get("type") == "function_call_output"]
        return [assistant_message(_found(outputs))]

    return ScriptedModel(
        [[function_call("look_up", {"city": city}, call_id=city) for city in cities], ModelStep.respond(last)]
    )


def pydantic_ai(cities: Sequence[str]) -> Any:
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
    from pydantic_ai.models.function import FunctionModel

    def answer(messages: Any, _: Any) -> ModelResponse:
        told = [str(part.content) for part in messages[-1].parts if hasattr(part, "tool_call_id")]
        calls = [ToolCallPart("look_up", {"city": city}, tool_call_id=city) for city in cities]
        return ModelResponse([TextPart(_found(told))] if told else calls)

    return FunctionModel(answer)


def llama_index(cities: Sequence[str]) -> Any:
    from llama_index.core.base.llms.types import ChatMessage, TextBlock, ToolCallBlock
    from llama_index.core.llms.mock import MockFunctionCallingLLM

    def answer(messages: Any, **_: Any) -> ChatMessage:
        told = [str(message.content) for message in messages if message.role.value == "tool"]
        calls = [ToolCallBlock(tool_call_id=city, tool_name="look_up", tool_kwargs={"city": city}) for city in cities]
        return ChatMessage(role="assistant", blocks=[TextBlock(text=_found(told))] if told else calls)

    return MockFunctionCallingLLM(response_generator=answer, is_chat_model=True)
