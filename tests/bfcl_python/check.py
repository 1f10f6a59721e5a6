"""The leaderboard's 90 executable batches from provider format to provider format, their functions on a Python worker.

Run by run.sh, which starts coordinator and worker: TOOLWAVE names the command, TOOLWAVE_COORDINATOR the coordinator.
Each batch becomes a reply in each of the four formats, `toolwave run --from` runs it, and what its messages say is
compared with tests/data/bfcl/exec_expected.json, which another program computed.
"""

import ast
import concurrent.futures
import json
import math
import os
import subprocess
import unittest
from pathlib import Path

DATA = Path(__file__).parent.parent / "data/bfcl"
EXPECTED = json.loads((DATA / "exec_expected.json").read_text())
PROVIDERS = ("openai", "openai-responses", "anthropic", "gemini")
PATIENCE = 60
# Commands beside each other.
BESIDE = 4


def toolwave(*arguments, text=""):
    command = [os.environ["TOOLWAVE"], *arguments, "--coordinator", f"http://{os.environ['TOOLWAVE_COORDINATOR']}"]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=PATIENCE)


def lines(name):
    return [json.loads(line) for line in (DATA / name).read_text().splitlines()]


def value(node):
    """A literal, or the product of numbers."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return value(node.left) * value(node.right)
    return ast.literal_eval(node)


def batches():
    """The id of each batch, and its calls: name and parameters."""
    for name in ("exec_parallel", "exec_parallel_multiple"):
        for question, answer in zip(lines(f"{name}.jsonl"), lines(f"{name}.answers.jsonl"), strict=True):
            parameters = {tool["name"]: list(tool["parameters"]["properties"]) for tool in question["function"]}
            calls = []
            for expression in answer["ground_truth"]:
                call = ast.parse(expression, mode="eval").body
                names = parameters.get(call.func.id, [])
                given = dict(zip(names, map(value, call.args), strict=False))
                given |= {keyword.arg: value(keyword.value) for keyword in call.keywords}
                calls.append((call.func.id, given))
            yield question["id"], calls


def reply(provider, batch, calls):
    """What a model of this provider answers that makes the calls; and their ids."""
    ids = [f"call_{batch}_{index}" for index in range(len(calls))]
    each = [(id, name, parameters) for id, (name, parameters) in zip(ids, calls, strict=True)]
    if provider == "openai":
        tool_calls = [
            {"id": id, "type": "function", "function": {"name": name, "arguments": json.dumps(parameters)}}
            for id, name, parameters in each
        ]
        message = {"role": "assistant", "content": None, "tool_calls": tool_calls}
        return {"choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}]}, ids
    if provider == "openai-responses":
        output = [
            {"type": "function_call", "call_id": id, "name": name, "arguments": json.dumps(parameters)}
            for id, name, parameters in each
        ]
        return {"object": "response", "output": output}, ids
    if provider == "anthropic":
        content = [{"type": "tool_use", "id": id, "name": name, "input": parameters} for id, name, parameters in each]
        return {"type": "message", "role": "assistant", "content": content}, ids
    parts = [{"functionCall": {"id": id, "name": name, "args": parameters}} for id, name, parameters in each]
    return {"candidates": [{"content": {"role": "model", "parts": parts}}]}, ids


def answers(provider, messages):
    """The id of each result and what it says: {"text": …} or {"json": …} or {"error": …}."""

    def said(text):
        return json.loads(text) if text.startswith('{"error":') else {"text": text}

    if provider == "openai":
        return [(message["tool_call_id"], said(message["content"])) for message in messages]
    if provider == "openai-responses":
        return [(item["call_id"], said(item["output"])) for item in messages]
    if provider == "anthropic":
        [message] = messages
        return [(block["tool_use_id"], said(block["content"][0]["text"])) for block in message["content"]]
    [content] = messages
    responses = [part["functionResponse"] for part in content["parts"]]
    return [
        (response["id"], {"json" if kind == "output" else kind: what})
        for response in responses
        for kind, what in response["response"].items()
    ]


def close(one, other):
    """Equal but for the rounding of floats."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(close, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(other, str) and isinstance(one, int):
        # An integer beyond 2^53, which the expected answers write as text.
        return str(one) == other
    if isinstance(one, bool) or isinstance(other, bool) or isinstance(one, str) or isinstance(other, str):
        return one == other
    return math.isclose(one, other, rel_tol=1e-9)


def wrong(expected, answer):
    """What is wrong with an answer; None: nothing."""
    code = answer["error"]["code"] if "error" in answer else None
    if expected is None:
        return None if code == "UNKNOWN_TOOL" else f"{answer}, but nobody hosts it"
    if "error" in expected:
        return None if code == expected["error"] else f"{answer}, not {expected}"
    if code:
        return f"{answer}, not {expected}"
    result = expected["result"]
    if "text" in answer and not isinstance(result, str):
        answer = {"json": json.loads(answer["text"])}
    found = answer.get("text", answer.get("json"))
    return None if close(found, result) else f"{found}, not {result}"


class Batches(unittest.TestCase):
    def run_batch(self, provider, batch, calls):
        text, ids = reply(provider, batch, calls)
        finished = toolwave("run", "--from", provider, "-", text=json.dumps(text))
        expected = EXPECTED[batch]
        succeeded = all(answer and "result" in answer for answer in expected)
        self.assertEqual(finished.returncode, 0 if succeeded else 1, finished.stderr)
        found = answers(provider, json.loads(finished.stdout))
        self.assertEqual([id for id, _ in found], ids, batch)
        for (function, parameters), answer, (id, said) in zip(calls, expected, found, strict=True):
            self.assertIsNone(wrong(answer, said), f"{id} as {provider}: {function}({parameters})")
        return len(found)

    def test_every_call_is_answered_with_what_another_program_computed(self):
        work = [(provider, *batch) for provider in PROVIDERS for batch in batches()]
        self.assertEqual(len(work), 4 * 90)
        with concurrent.futures.ThreadPoolExecutor(BESIDE) as pool:
            calls = sum(pool.map(lambda batch: self.run_batch(*batch), work))
        self.assertEqual(calls, 4 * 300)
        computed = sum(bool(answer) for answers in EXPECTED.values() for answer in answers)
        print(f"{calls} calls answered, {4 * computed} of them computed by the Python worker")

    def test_the_python_functions_are_offered_to_every_provider(self):
        for provider in PROVIDERS:
            finished = toolwave("tools", "--for", provider)
            self.assertEqual(finished.returncode, 0, finished.stderr)
            definitions = json.loads(finished.stdout)
            if provider == "gemini":
                [tools] = definitions
                definitions = tools["functionDeclarations"]
            self.assertEqual(len(definitions), 31)
            for definition in definitions:
                self.assertTrue(definition.get("function", definition)["description"])

    def test_wrong_answers_are_noticed(self):
        self.assertIsNone(wrong({"result": 0.3}, {"text": "0.30000000000000004"}))
        self.assertIsNone(wrong({"result": "18446744073709551616"}, {"json": 18446744073709551616}))
        self.assertIsNotNone(wrong({"result": 1}, {"text": "1.00001"}))
        self.assertIsNotNone(wrong({"result": "101"}, {"text": "11"}))
        self.assertIsNotNone(wrong({"result": [1]}, {"json": [1, 2]}))
        self.assertIsNotNone(wrong({"error": "UNDEFINED"}, {"json": 1}))
        self.assertIsNotNone(wrong(None, {"json": 1}))


if __name__ == "__main__":
    unittest.main()
