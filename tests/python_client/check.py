"""A client that knows nothing but the .proto files talks to a live coordinator and worker.

Run by run.sh, which generates the stubs and names the coordinator in TOOLWAVE_COORDINATOR (host:port).
plan.json holds a plan and its answers; the Rust client is held to the same file.
"""

import json
import os
import time
import unittest
from pathlib import Path

import grpc
from google.protobuf import json_format
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from toolwave.v1 import execution_pb2 as pb
from toolwave.v1 import execution_pb2_grpc, tool_pb2  # noqa: F401 (tool_pb2: imported by what is generated)

PATIENCE = 30
PLAN = json.loads((Path(__file__).parent / "plan.json").read_text())


def call(tool, parameters=None, form="json", **fields):
    made = pb.Call(tool_name=tool, **fields)
    if parameters is not None and form == "json":
        made.parameters_json = json.dumps(parameters).encode()
    elif parameters is not None:
        json_format.ParseDict(parameters, made.parameters)
    return made


def planned(form):
    calls = [
        call(c["tool"], c.get("parameters"), form, id=c["id"], depends_on=c.get("depends_on", []))
        for c in PLAN["calls"]
    ]
    return pb.ExecuteParallelRequest(calls=calls)


def told(result):
    """What plan.json says of a call, read from its result. A result in either form becomes plain values."""
    answer = {"outcome": pb.Outcome.Name(result.outcome), "wave": result.wave}
    form = result.WhichOneof("result_form")
    if form == "result":
        answer["result"] = json_format.MessageToDict(result.result)
    elif form == "result_json":
        answer["result"] = json.loads(result.result_json)
    if result.HasField("error"):
        answer["code"] = result.error.code
        if result.error.root_call_id:
            answer["root_call_id"] = result.error.root_call_id
        if result.error.violations:
            answer["violations"] = [violation.path for violation in result.error.violations]
    return answer


def details(error, kind):
    """The details of one kind in the status of an RPC that failed."""
    status = rpc_status.from_call(error)
    found = []
    for detail in status.details if status else []:
        message = kind()
        if detail.Unpack(message):
            found.append(message)
    return found


class PythonClient(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.channel = grpc.insecure_channel(os.environ["TOOLWAVE_COORDINATOR"])
        grpc.channel_ready_future(cls.channel).result(timeout=PATIENCE)
        cls.stub = execution_pb2_grpc.ExecutionServiceStub(cls.channel)
        cls.until(lambda: cls.listed("echo"), "the worker does not register")

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()

    @staticmethod
    def until(condition, otherwise):
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(otherwise)
            time.sleep(0.02)

    @classmethod
    def listed(cls, name):
        tools = cls.stub.ListTools(pb.ListToolsRequest(), timeout=PATIENCE).tools
        return next((tool for tool in tools if tool.tool.name == name and tool.workers), None)

    def execute(self, request):
        return self.stub.ExecuteParallel(request, timeout=PATIENCE)

    def refused(self, request):
        with self.assertRaises(grpc.RpcError) as caught:
            self.execute(request)
        return caught.exception

    def test_the_plan_is_answered_as_the_file_says_in_both_forms(self):
        for form, kind in (("json", "result_json"), ("struct", "result")):
            with self.subTest(form):
                answer = self.execute(planned(form))
                self.assertEqual([told(result) for result in answer.results], PLAN["answers"])
                self.assertEqual([result.id for result in answer.results], [c["id"] for c in PLAN["calls"]])
                forms = {r.WhichOneof("result_form") for r, c in zip(answer.results, PLAN["calls"])
                         if r.success and "parameters" in c}
                self.assertEqual(forms, {kind})
                self.assertEqual(answer.summary.calls, len(PLAN["calls"]))
                self.assertEqual(answer.summary.waves, 3)

    def test_a_stream_tells_the_plan_first_each_result_once_and_the_summary_last(self):
        for form in ("json", "struct"):
            with self.subTest(form):
                request = pb.ExecuteParallelStreamRequest(execution=planned(form))
                frames = self.stub.ExecuteParallelStream(request, timeout=PATIENCE)
                events = [event for frame in frames for event in frame.events]
                kinds = [event.WhichOneof("kind") for event in events]
                self.assertEqual((kinds[0], kinds[-1]), ("planned", "summary"))
                self.assertEqual((kinds.count("planned"), kinds.count("summary")), (1, 1))
                ended = [event.result for event in events if event.WhichOneof("kind") == "result"]
                answers = {end.call_index: told(end.result) for end in ended}
                self.assertEqual(len(ended), len(PLAN["calls"]))
                self.assertEqual([answers[index] for index in range(len(ended))], PLAN["answers"])

    def test_planning_tells_waves_and_edges_and_runs_nothing(self):
        plan = self.stub.PlanExecution(pb.PlanExecutionRequest(execution=planned("json")), timeout=PATIENCE)
        waves = [0] * len(PLAN["calls"])
        for number, wave in enumerate(plan.waves):
            for index in wave.calls:
                waves[index] = number
        self.assertEqual(waves, [answer["wave"] for answer in PLAN["answers"]])
        names = [c["id"] for c in PLAN["calls"]]
        edges = {(names[getattr(edge, "from")], names[edge.to]) for edge in plan.edges}
        self.assertEqual(edges, {("product", "text"), ("digest", "whole"), ("text", "wait"), ("broken", "after"),
                                 ("after", "further"), ("digest", "lost")})

    def test_json_text_keeps_64_bit_integers_and_struct_numbers_come_back_equal(self):
        large = 2**53 + 1
        [exact, double] = self.execute(pb.ExecuteParallelRequest(
            calls=[call("echo", {"n": large}), call("echo", {"n": 10}, "struct")])).results
        self.assertEqual(json.loads(exact.result_json), {"n": large})
        self.assertEqual(json_format.MessageToDict(double.result), {"n": 10})

    def test_a_request_that_is_wrong_is_refused_with_every_violation_and_its_place(self):
        error = self.refused(pb.ExecuteParallelRequest(calls=[
            call("echo", {}, id="a", depends_on=["nobody"]),
            call("", {}, id="b"),
            call("echo", {}, id="a"),
            call("echo", {"x": "${b.result"}, id="c"),
        ]))
        self.assertEqual(error.code(), grpc.StatusCode.INVALID_ARGUMENT)
        [bad_request] = details(error, error_details_pb2.BadRequest)
        fields = [violation.field for violation in bad_request.field_violations]
        expected = {"calls[0].depends_on[0]", "calls[1].tool_name", "calls[2].id"}
        self.assertTrue(expected <= set(fields), fields)
        self.assertTrue(any(field.startswith("calls[3].parameters") for field in fields), fields)
        [reason] = details(error, error_details_pb2.ErrorInfo)
        self.assertEqual(reason.domain, "toolwave")

    def test_a_cycle_is_refused_and_named(self):
        error = self.refused(pb.ExecuteParallelRequest(calls=[
            call("echo", {"x": "${b.result}"}, id="a"), call("echo", {}, id="b", depends_on=["a"])]))
        self.assertEqual(error.code(), grpc.StatusCode.INVALID_ARGUMENT)
        [bad_request] = details(error, error_details_pb2.BadRequest)
        [text] = {v.description for v in bad_request.field_violations if "CYCLE" in v.description}
        self.assertIn("a", text)
        self.assertIn("b", text)

    def test_a_deadline_brings_a_partial_answer_before_it_ends_the_rpc(self):
        request = pb.ExecuteParallelRequest(
            calls=[call("echo", {}), call("sleep", {"milliseconds": 600_000}, timeout={"seconds": 900})])
        answer = self.stub.ExecuteParallel(request, timeout=3)
        outcomes = [pb.Outcome.Name(result.outcome) for result in answer.results]
        self.assertEqual(outcomes, ["OUTCOME_SUCCEEDED", "OUTCOME_DEADLINE_EXCEEDED"])

    def test_a_client_that_cancels_frees_the_slot(self):
        self.until(lambda: self.listed("sleep").in_flight == 0, "a sleep of another test goes on")
        request = pb.ExecuteParallelRequest(
            calls=[call("sleep", {"milliseconds": 600_000}, timeout={"seconds": 900})])
        running = self.stub.ExecuteParallel.future(request, timeout=900)
        self.until(lambda: self.listed("sleep").in_flight == 1, "the call does not start")
        running.cancel()
        self.until(lambda: self.listed("sleep").in_flight == 0, "the cancelled call goes on")

    def test_the_coordinator_says_that_it_serves(self):
        health = health_pb2_grpc.HealthStub(self.channel)
        answer = health.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
        self.assertEqual(answer.status, health_pb2.HealthCheckResponse.SERVING)


if __name__ == "__main__":
    unittest.main(verbosity=2)
