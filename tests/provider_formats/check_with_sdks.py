"""Holds the table of provider formats, and what `toolwave` writes, against the providers' own types.

Run by run.sh, in an environment with the SDKs of requirements.txt; TOOLWAVE names the command. Asks no network.
"""

import copy
import functools
import inspect
import json
import os
import subprocess
import unittest
from pathlib import Path

import anthropic.types
import openai.types.chat
import openai.types.responses
import pydantic
from google.genai import types as gemini
from openai.lib._pydantic import _ensure_strict_json_schema
from openai.types.responses.response_input_param import FunctionCallOutput

TABLE = json.loads((Path(__file__).parent.parent / "data/provider_formats.json").read_text())
PROVIDERS = ("openai", "openai-responses", "anthropic", "gemini")
PATIENCE = 60


def typed_dictionaries(*packages):
    """Every typed dictionary that the modules of the packages define: each is made to refuse unknown keys."""
    seen = set()
    for package in packages:
        for module in list(vars(package).values()) + [package]:
            if inspect.ismodule(module):
                seen |= {thing for thing in vars(module).values() if hasattr(thing, "__required_keys__")}
        seen |= {thing for thing in vars(package).values() if hasattr(thing, "__required_keys__")}
    return seen


for kind in typed_dictionaries(openai.types.chat, openai.types.responses, anthropic.types):
    # The schema of a tool is whatever it is.
    if "InputSchema" not in kind.__name__:
        kind.__pydantic_config__ = pydantic.ConfigDict(extra="forbid", arbitrary_types_allowed=True)

MESSAGE = {
    "openai": openai.types.chat.ChatCompletionToolMessageParam,
    "openai-responses": FunctionCallOutput,
    "anthropic": anthropic.types.MessageParam,
    "gemini": gemini.Content,
}
DEFINITION = {
    "openai": openai.types.chat.ChatCompletionFunctionToolParam,
    "openai-responses": openai.types.responses.FunctionToolParam,
    "anthropic": anthropic.types.ToolParam,
    "gemini": gemini.Tool,
}


@functools.cache
def adapter_of(kind):
    return pydantic.TypeAdapter(kind)


def fits(kind, value):
    """Raises where the value does not fit its type."""
    read_whole(adapter_of(kind).validate_python(value))


def read_whole(value):
    """Lists of typed dictionaries are checked only as they are read."""
    if isinstance(value, dict):
        for member in value.values():
            read_whole(member)
    elif not isinstance(value, (str, bytes)) and hasattr(value, "__iter__"):
        for element in value:
            read_whole(element)


def ordered(schema):
    """The schema, its `required` in one order."""
    if isinstance(schema, dict):
        return {key: sorted(value) if key == "required" else ordered(value) for key, value in schema.items()}
    return [ordered(element) for element in schema] if isinstance(schema, list) else schema


def results(provider, messages):
    """The names that each result answers to."""
    if provider == "openai":
        return [message["tool_call_id"] for message in messages]
    if provider == "openai-responses":
        return [message["call_id"] for message in messages]
    if provider == "anthropic":
        return [block["tool_use_id"] for message in messages for block in message["content"]]
    return [part["functionResponse"]["name"] for message in messages for part in message["parts"]]


def dumped(provider, reply):
    """What a program has that took the reply through the SDK and dumps the SDK's object; None for a part of one."""
    if provider == "openai" and isinstance(reply, dict) and "choices" in reply:
        return openai.types.chat.ChatCompletion.construct(**reply).model_dump_json(warnings=False)
    if provider == "openai-responses" and isinstance(reply, dict):
        return openai.types.responses.Response.construct(**reply).model_dump_json(warnings=False)
    if provider == "anthropic" and isinstance(reply, dict):
        return anthropic.types.Message.construct(**reply).model_dump_json(warnings=False)
    if provider == "gemini" and isinstance(reply, dict) and "candidates" in reply:
        # Their parser takes no arguments that are no object; the table has some.
        parts = [
            part
            for part in reply["candidates"][0]["content"]["parts"]
            if isinstance(part.get("functionCall", {}).get("args", {}), dict)
        ]
        reply = {"candidates": [{"content": {"role": "model", "parts": parts}}]}
        return gemini.GenerateContentResponse.model_validate(reply).model_dump_json(warnings=False)
    return None


def toolwave(*arguments, text=""):
    command = [os.environ["TOOLWAVE"], *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=PATIENCE)


class Sdks(unittest.TestCase):
    def test_unknown_members_are_noticed(self):
        for provider in PROVIDERS:
            case = next(case for case in TABLE["replies"] if case["provider"] == provider and case["messages"])
            fits(MESSAGE[provider], case["messages"][0])
            with self.assertRaises(pydantic.ValidationError, msg=provider):
                fits(MESSAGE[provider], {**case["messages"][0], "no_such_member": 1})
        inside = {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "x", "no": 1}]}
        for kind in (anthropic.types.ToolResultBlockParam, anthropic.types.MessageParam):
            message = inside if "Result" in kind.__name__ else {"role": "user", "content": [inside]}
            with self.assertRaises(pydantic.ValidationError, msg=kind):
                fits(kind, message)

    def test_messages_fit_the_types_of_the_sdks(self):
        checked = 0
        for case in TABLE["replies"]:
            for message in case["messages"]:
                with self.subTest(case["name"]):
                    fits(MESSAGE[case["provider"]], message)
                    if case["provider"] == "anthropic":
                        for block in message["content"]:
                            fits(anthropic.types.ToolResultBlockParam, block)
                checked += 1
        self.assertGreater(checked, 20)

    def test_definitions_fit_the_types_of_the_sdks(self):
        for case in TABLE["definitions"]:
            for provider, definitions in case["expected"].items():
                for definition in definitions:
                    with self.subTest(case["name"], provider=provider):
                        fits(DEFINITION[provider], definition)

    def test_schemas_that_are_called_strict_are_so_for_openais_own_rules(self):
        for case in TABLE["strict"]:
            # What their SDK makes strict it changes, unless it is so already.
            schema = copy.deepcopy(case["schema"])
            if case["strict"]:
                with self.subTest(case["name"]):
                    strict = _ensure_strict_json_schema(schema, path=(), root=schema)
                    self.assertEqual(ordered(strict), ordered(case["schema"]))

    def test_definitions_of_the_built_in_tools_fit_the_types_of_the_sdks(self):
        for provider in PROVIDERS:
            finished = toolwave("tools", "--builtin", "--for", provider)
            self.assertEqual(finished.returncode, 0, finished.stderr)
            definitions = json.loads(finished.stdout)
            self.assertTrue(definitions)
            for definition in definitions:
                fits(DEFINITION[provider], definition)

    def test_a_reply_that_an_sdk_dumped_is_read_like_the_reply_itself(self):
        read = {provider: 0 for provider in PROVIDERS}
        for case in TABLE["replies"]:
            provider = case["provider"]
            text = dumped(provider, case["reply"])
            if text is None:
                continue
            with self.subTest(case["name"]):
                finished = toolwave("run", "--from", provider, "-", text=text)
                # The tools of the table are not there, so that calls are rejected, one by one.
                self.assertEqual(finished.returncode, 1 if case["calls"] else 0, finished.stderr)
                expected = results(provider, case["messages"])
                if provider == "gemini" and expected:
                    expected = expected[:-1 - sum(
                        isinstance(part.get("functionCall", {}).get("args"), str)
                        for part in case["reply"]["candidates"][0]["content"]["parts"]
                    )]
                self.assertEqual(results(provider, json.loads(finished.stdout)), expected)
            read[provider] += 1
        self.assertTrue(all(read.values()), read)


if __name__ == "__main__":
    unittest.main()
