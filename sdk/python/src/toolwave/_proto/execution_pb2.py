# Generated from proto/toolwave/v1/execution.proto by scripts/generate.py. Do not edit.
"""Generated protocol buffer code."""
from google.protobuf import descriptor as _descriptor
from google.protobuf import descriptor_pool as _descriptor_pool
from google.protobuf import symbol_database as _symbol_database
from google.protobuf.internal import builder as _builder
# @@protoc_insertion_point(imports)

_sym_db = _symbol_database.Default()


from google.protobuf import duration_pb2 as google_dot_protobuf_dot_duration__pb2
from google.protobuf import struct_pb2 as google_dot_protobuf_dot_struct__pb2
from google.protobuf import timestamp_pb2 as google_dot_protobuf_dot_timestamp__pb2
from toolwave._proto import tool_pb2 as toolwave_dot_v1_dot_tool__pb2


DESCRIPTOR = _descriptor_pool.Default().AddSerializedFile(b'\n\x1btoolwave/v1/execution.proto\x12\x0btoolwave.v1\x1a\x1egoogle/protobuf/duration.proto\x1a\x1cgoogle/protobuf/struct.proto\x1a\x1fgoogle/protobuf/timestamp.proto\x1a\x16toolwave/v1/tool.proto\"\xb3\x03\n\x16\x45xecuteParallelRequest\x12 \n\x05\x63\x61lls\x18\x01 \x03(\x0b\x32\x11.toolwave.v1.Call\x12\x1c\n\x0fmax_concurrency\x18\x02 \x01(\rH\x00\x88\x01\x01\x12\x1c\n\x14max_concurrency_auto\x18\x03 \x01(\x08\x12\'\n\x08schedule\x18\x04 \x01(\x0e\x32\x15.toolwave.v1.Schedule\x12*\n\non_failure\x18\x05 \x01(\x0e\x32\x16.toolwave.v1.OnFailure\x12*\n\x07timeout\x18\x06 \x01(\x0b\x32\x19.google.protobuf.Duration\x12\x17\n\x0fidempotency_key\x18\x07 \x01(\t\x12\'\n\x05retry\x18\x08 \x01(\x0b\x32\x18.toolwave.v1.RetryPolicy\x12,\n\x0bresult_form\x18\t \x01(\x0e\x32\x17.toolwave.v1.ResultForm\x12\x1f\n\x12max_response_bytes\x18\n \x01(\rH\x01\x88\x01\x01\x42\x12\n\x10_max_concurrencyB\x15\n\x13_max_response_bytes\"\xd4\x02\n\x04\x43\x61ll\x12\x0f\n\x02id\x18\x01 \x01(\tH\x01\x88\x01\x01\x12\x11\n\ttool_name\x18\x02 \x01(\t\x12-\n\nparameters\x18\x03 \x01(\x0b\x32\x17.google.protobuf.StructH\x00\x12\x19\n\x0fparameters_json\x18\x04 \x01(\x0cH\x00\x12\x12\n\ndepends_on\x18\x05 \x03(\t\x12\x10\n\x08priority\x18\x06 \x01(\x05\x12*\n\x07timeout\x18\x07 \x01(\x0b\x32\x19.google.protobuf.Duration\x12\x30\n\rqueue_timeout\x18\x08 \x01(\x0b\x32\x19.google.protobuf.Duration\x12\'\n\x05retry\x18\t \x01(\x0b\x32\x18.toolwave.v1.RetryPolicy\x12\x17\n\x0fidempotency_key\x18\n \x01(\tB\x11\n\x0fparameters_formB\x05\n\x03_id\"s\n\x17\x45xecuteParallelResponse\x12(\n\x07results\x18\x01 \x03(\x0b\x32\x17.toolwave.v1.CallResult\x12.\n\x07summary\x18\x02 \x01(\x0b\x32\x1d.toolwave.v1.ExecutionSummary\"\x90\x03\n\nCallResult\x12\n\n\x02id\x18\x01 \x01(\t\x12\x11\n\ttool_name\x18\x02 \x01(\t\x12\x0f\n\x07success\x18\x03 \x01(\x08\x12%\n\x07outcome\x18\x04 \x01(\x0e\x32\x14.toolwave.v1.Outcome\x12(\n\x06result\x18\x05 \x01(\x0b\x32\x16.google.protobuf.ValueH\x00\x12\x15\n\x0bresult_json\x18\x06 \x01(\x0cH\x00\x12%\n\x05\x65rror\x18\x07 \x01(\x0b\x32\x16.toolwave.v1.CallError\x12\x0c\n\x04wave\x18\x08 \x01(\r\x12&\n\x08\x61ttempts\x18\t \x03(\x0b\x32\x14.toolwave.v1.Attempt\x12-\n\nqueue_time\x18\n \x01(\x0b\x32\x19.google.protobuf.Duration\x12\x31\n\x0e\x65xecution_time\x18\x0b \x01(\x0b\x32\x19.google.protobuf.Duration\x12\x1c\n\x14omitted_result_bytes\x18\x0c \x01(\x04\x42\r\n\x0bresult_form\"\xe4\x01\n\tCallError\x12\x0c\n\x04\x63ode\x18\x01 \x01(\t\x12\x0f\n\x07message\x18\x02 \x01(\t\x12\x11\n\tretryable\x18\x03 \x01(\x08\x12.\n\x0bretry_after\x18\x04 \x01(\x0b\x32\x19.google.protobuf.Duration\x12\x14\n\x0c\x64\x65tails_json\x18\x05 \x01(\x0c\x12\x14\n\x0croot_call_id\x18\x06 \x01(\t\x12\x14\n\x0cmay_have_run\x18\x07 \x01(\x08\x12\x33\n\nviolations\x18\x08 \x03(\x0b\x32\x1f.toolwave.v1.ParameterViolation\"7\n\x12ParameterViolation\x12\x0c\n\x04path\x18\x01 \x01(\t\x12\x13\n\x0b\x64\x65scription\x18\x02 \x01(\t\"\xf1\x01\n\x07\x41ttempt\x12\x0e\n\x06number\x18\x01 \x01(\r\x12\x0e\n\x06worker\x18\x02 \x01(\t\x12.\n\nstarted_at\x18\x03 \x01(\x0b\x32\x1a.google.protobuf.Timestamp\x12,\n\x08\x65nded_at\x18\x04 \x01(\x0b\x32\x1a.google.protobuf.Timestamp\x12\'\n\x07\x66\x61ilure\x18\x05 \x01(\x0b\x32\x16.toolwave.v1.CallError\x12\x0c\n\x04late\x18\x06 \x01(\x08\x12\x31\n\rdispatched_at\x18\x07 \x01(\x0b\x32\x1a.google.protobuf.Timestamp\"\x9c\x02\n\x10\x45xecutionSummary\x12\x14\n\x0c\x65xecution_id\x18\x01 \x01(\t\x12\r\n\x05\x63\x61lls\x18\x02 \x01(\r\x12\r\n\x05waves\x18\x03 \x01(\r\x12+\n\x08outcomes\x18\x04 \x03(\x0b\x32\x19.toolwave.v1.OutcomeCount\x12+\n\x08\x64uration\x18\x05 \x01(\x0b\x32\x19.google.protobuf.Duration\x12\x36\n\x13sequential_duration\x18\x06 \x01(\x0b\x32\x19.google.protobuf.Duration\x12\x10\n\x08\x61ttempts\x18\x07 \x01(\r\x12\x30\n\x08\x61nalysis\x18\x08 \x01(\x0b\x32\x1e.toolwave.v1.ExecutionAnalysis\"\xcb\x02\n\x11\x45xecutionAnalysis\x12\x15\n\rcritical_path\x18\x01 \x03(\r\x12:\n\x17\x63ritical_path_execution\x18\x02 \x01(\x0b\x32\x19.google.protobuf.Duration\x12 \n\x05waits\x18\x03 \x03(\x0b\x32\x11.toolwave.v1.Wait\x12\x0f\n\x07retries\x18\x04 \x01(\r\x12-\n\nretry_time\x18\x05 \x01(\x0b\x32\x19.google.protobuf.Duration\x12.\n\x0blower_bound\x18\x06 \x01(\x0b\x32\x19.google.protobuf.Duration\x12\x16\n\x0epeak_in_flight\x18\x07 \x01(\r\x12\x39\n\x16saved_by_one_more_slot\x18\x08 \x01(\x0b\x32\x19.google.protobuf.Duration\"x\n\x04Wait\x12\'\n\x06reason\x18\x01 \x01(\x0e\x32\x17.toolwave.v1.WaitReason\x12\x0f\n\x07subject\x18\x02 \x01(\t\x12\'\n\x04time\x18\x03 \x01(\x0b\x32\x19.google.protobuf.Duration\x12\r\n\x05\x63\x61lls\x18\x04 \x01(\r\"D\n\x0cOutcomeCount\x12%\n\x07outcome\x18\x01 \x01(\x0e\x32\x14.toolwave.v1.Outcome\x12\r\n\x05\x63ount\x18\x02 \x01(\r\"V\n\x1c\x45xecuteParallelStreamRequest\x12\x36\n\texecution\x18\x01 \x01(\x0b\x32#.toolwave.v1.ExecuteParallelRequest\"L\n\x1d\x45xecuteParallelStreamResponse\x12+\n\x06\x65vents\x18\x01 \x03(\x0b\x32\x1b.toolwave.v1.ExecutionEvent\"\xe0\x02\n\x0e\x45xecutionEvent\x12&\n\x02\x61t\x18\x01 \x01(\x0b\x32\x1a.google.protobuf.Timestamp\x12\x30\n\x07planned\x18\x02 \x01(\x0b\x32\x1d.toolwave.v1.ExecutionPlannedH\x00\x12.\n\x07started\x18\x03 \x01(\x0b\x32\x1b.toolwave.v1.AttemptStartedH\x00\x12\x30\n\x08progress\x18\x04 \x01(\x0b\x32\x1c.toolwave.v1.AttemptProgressH\x00\x12.\n\x07retried\x18\x05 \x01(\x0b\x32\x1b.toolwave.v1.AttemptRetriedH\x00\x12(\n\x06result\x18\x06 \x01(\x0b\x32\x16.toolwave.v1.CallEndedH\x00\x12\x30\n\x07summary\x18\x07 \x01(\x0b\x32\x1d.toolwave.v1.ExecutionSummaryH\x00\x42\x06\n\x04kind\"J\n\x10\x45xecutionPlanned\x12\x14\n\x0c\x65xecution_id\x18\x01 \x01(\t\x12 \n\x05waves\x18\x02 \x03(\x0b\x32\x11.toolwave.v1.Wave\"\x15\n\x04Wave\x12\r\n\x05\x63\x61lls\x18\x01 \x03(\r\"E\n\x0e\x41ttemptStarted\x12\x12\n\ncall_index\x18\x01 \x01(\r\x12\x0f\n\x07\x61ttempt\x18\x02 \x01(\r\x12\x0e\n\x06worker\x18\x03 \x01(\t\"k\n\x0f\x41ttemptProgress\x12\x12\n\ncall_index\x18\x01 \x01(\r\x12\x0f\n\x07\x61ttempt\x18\x02 \x01(\r\x12\x15\n\x08\x66raction\x18\x03 \x01(\x01H\x00\x88\x01\x01\x12\x0f\n\x07message\x18\x04 \x01(\tB\x0b\n\t_fraction\"\x8a\x01\n\x0e\x41ttemptRetried\x12\x12\n\ncall_index\x18\x01 \x01(\r\x12\x0f\n\x07\x61ttempt\x18\x02 \x01(\r\x12\'\n\x07\x66\x61ilure\x18\x03 \x01(\x0b\x32\x16.toolwave.v1.CallError\x12*\n\x07\x62\x61\x63koff\x18\x04 \x01(\x0b\x32\x19.google.protobuf.Duration\"H\n\tCallEnded\x12\x12\n\ncall_index\x18\x01 \x01(\r\x12\'\n\x06result\x18\x02 \x01(\x0b\x32\x17.toolwave.v1.CallResult\"N\n\x14PlanExecutionRequest\x12\x36\n\texecution\x18\x01 \x01(\x0b\x32#.toolwave.v1.ExecuteParallelRequest\"\xa2\x01\n\x15PlanExecutionResponse\x12 \n\x05waves\x18\x01 \x03(\x0b\x32\x11.toolwave.v1.Wave\x12 \n\x05\x65\x64ges\x18\x02 \x03(\x0b\x32\x11.toolwave.v1.Edge\x12(\n\x08rejected\x18\x03 \x03(\x0b\x32\x16.toolwave.v1.CallEnded\x12\x1b\n\x13\x63ritical_path_calls\x18\x04 \x01(\r\"Y\n\x04\x45\x64ge\x12\x0c\n\x04\x66rom\x18\x01 \x01(\r\x12\n\n\x02to\x18\x02 \x01(\r\x12\'\n\x06origin\x18\x03 \x01(\x0e\x32\x17.toolwave.v1.EdgeOrigin\x12\x0e\n\x06\x64\x65tail\x18\x04 \x01(\t\"U\n\x16\x43\x61ncelExecutionRequest\x12\x16\n\x0c\x65xecution_id\x18\x01 \x01(\tH\x00\x12\x19\n\x0fidempotency_key\x18\x02 \x01(\tH\x00\x42\x08\n\x06target\"F\n\x17\x43\x61ncelExecutionResponse\x12\x14\n\x0c\x65xecution_id\x18\x01 \x01(\t\x12\x15\n\ralready_ended\x18\x02 \x01(\x08\"\x12\n\x10ListToolsRequest\";\n\x11ListToolsResponse\x12&\n\x05tools\x18\x01 \x03(\x0b\x32\x17.toolwave.v1.ListedTool\"a\n\nListedTool\x12\x1f\n\x04tool\x18\x01 \x01(\x0b\x32\x11.toolwave.v1.Tool\x12\x0f\n\x07workers\x18\x02 \x01(\r\x12\x0e\n\x06queued\x18\x03 \x01(\r\x12\x11\n\tin_flight\x18\x04 \x01(\r*^\n\x08Schedule\x12\x18\n\x14SCHEDULE_UNSPECIFIED\x10\x00\x12\x1c\n\x18SCHEDULE_PIPELINED_WAVES\x10\x01\x12\x1a\n\x16SCHEDULE_BARRIER_WAVES\x10\x02*Z\n\tOnFailure\x12\x1a\n\x16ON_FAILURE_UNSPECIFIED\x10\x00\x12\x17\n\x13ON_FAILURE_CONTINUE\x10\x01\x12\x18\n\x14ON_FAILURE_FAIL_FAST\x10\x02*V\n\nResultForm\x12\x1b\n\x17RESULT_FORM_UNSPECIFIED\x10\x00\x12\x15\n\x11RESULT_FORM_VALUE\x10\x01\x12\x14\n\x10RESULT_FORM_JSON\x10\x02*\xf3\x01\n\x07Outcome\x12\x17\n\x13OUTCOME_UNSPECIFIED\x10\x00\x12\x15\n\x11OUTCOME_SUCCEEDED\x10\x01\x12\x12\n\x0eOUTCOME_FAILED\x10\x02\x12\x14\n\x10OUTCOME_REJECTED\x10\x03\x12\x15\n\x11OUTCOME_TIMED_OUT\x10\x04\x12\x1d\n\x19OUTCOME_DEADLINE_EXCEEDED\x10\x05\x12\x15\n\x11OUTCOME_CANCELLED\x10\x06\x12\x13\n\x0fOUTCOME_SKIPPED\x10\x07\x12\x17\n\x13OUTCOME_UNAVAILABLE\x10\x08\x12\x13\n\x0fOUTCOME_UNKNOWN\x10\t*\xc6\x02\n\nWaitReason\x12\x1b\n\x17WAIT_REASON_UNSPECIFIED\x10\x00\x12\x19\n\x15WAIT_REASON_NO_WORKER\x10\x01\x12\x15\n\x11WAIT_REASON_SLOTS\x10\x02\x12!\n\x1dWAIT_REASON_COORDINATOR_LIMIT\x10\x03\x12\x1f\n\x1bWAIT_REASON_EXECUTION_LIMIT\x10\x04\x12\x1c\n\x18WAIT_REASON_TENANT_LIMIT\x10\x05\x12\x1a\n\x16WAIT_REASON_TOOL_LIMIT\x10\x06\x12\x19\n\x15WAIT_REASON_TOOL_RATE\x10\x07\x12!\n\x1dWAIT_REASON_TOOL_WORKER_LIMIT\x10\x08\x12\x17\n\x13WAIT_REASON_BACKOFF\x10\t\x12\x14\n\x10WAIT_REASON_TURN\x10\n*x\n\nEdgeOrigin\x12\x1b\n\x17\x45\x44GE_ORIGIN_UNSPECIFIED\x10\x00\x12\x19\n\x15\x45\x44GE_ORIGIN_REFERENCE\x10\x01\x12\x1a\n\x16\x45\x44GE_ORIGIN_DEPENDS_ON\x10\x02\x12\x16\n\x12\x45\x44GE_ORIGIN_EFFECT\x10\x03\x32\xe4\x03\n\x10\x45xecutionService\x12\\\n\x0f\x45xecuteParallel\x12#.toolwave.v1.ExecuteParallelRequest\x1a$.toolwave.v1.ExecuteParallelResponse\x12p\n\x15\x45xecuteParallelStream\x12).toolwave.v1.ExecuteParallelStreamRequest\x1a*.toolwave.v1.ExecuteParallelStreamResponse0\x01\x12V\n\rPlanExecution\x12!.toolwave.v1.PlanExecutionRequest\x1a\".toolwave.v1.PlanExecutionResponse\x12\\\n\x0f\x43\x61ncelExecution\x12#.toolwave.v1.CancelExecutionRequest\x1a$.toolwave.v1.CancelExecutionResponse\x12J\n\tListTools\x12\x1d.toolwave.v1.ListToolsRequest\x1a\x1e.toolwave.v1.ListToolsResponseB\x02P\x01\x62\x06proto3')

_globals = globals()
_builder.BuildMessageAndEnumDescriptors(DESCRIPTOR, _globals)
_builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, 'toolwave.v1.execution_pb2', _globals)
if not _descriptor._USE_C_DESCRIPTORS:
  _globals['DESCRIPTOR']._loaded_options = None
  _globals['DESCRIPTOR']._serialized_options = b'P\001'
  _globals['_SCHEDULE']._serialized_start=4499
  _globals['_SCHEDULE']._serialized_end=4593
  _globals['_ONFAILURE']._serialized_start=4595
  _globals['_ONFAILURE']._serialized_end=4685
  _globals['_RESULTFORM']._serialized_start=4687
  _globals['_RESULTFORM']._serialized_end=4773
  _globals['_OUTCOME']._serialized_start=4776
  _globals['_OUTCOME']._serialized_end=5019
  _globals['_WAITREASON']._serialized_start=5022
  _globals['_WAITREASON']._serialized_end=5348
  _globals['_EDGEORIGIN']._serialized_start=5350
  _globals['_EDGEORIGIN']._serialized_end=5470
  _globals['_EXECUTEPARALLELREQUEST']._serialized_start=164
  _globals['_EXECUTEPARALLELREQUEST']._serialized_end=599
  _globals['_CALL']._serialized_start=602
  _globals['_CALL']._serialized_end=942
  _globals['_EXECUTEPARALLELRESPONSE']._serialized_start=944
  _globals['_EXECUTEPARALLELRESPONSE']._serialized_end=1059
  _globals['_CALLRESULT']._serialized_start=1062
  _globals['_CALLRESULT']._serialized_end=1462
  _globals['_CALLERROR']._serialized_start=1465
  _globals['_CALLERROR']._serialized_end=1693
  _globals['_PARAMETERVIOLATION']._serialized_start=1695
  _globals['_PARAMETERVIOLATION']._serialized_end=1750
  _globals['_ATTEMPT']._serialized_start=1753
  _globals['_ATTEMPT']._serialized_end=1994
  _globals['_EXECUTIONSUMMARY']._serialized_start=1997
  _globals['_EXECUTIONSUMMARY']._serialized_end=2281
  _globals['_EXECUTIONANALYSIS']._serialized_start=2284
  _globals['_EXECUTIONANALYSIS']._serialized_end=2615
  _globals['_WAIT']._serialized_start=2617
  _globals['_WAIT']._serialized_end=2737
  _globals['_OUTCOMECOUNT']._serialized_start=2739
  _globals['_OUTCOMECOUNT']._serialized_end=2807
  _globals['_EXECUTEPARALLELSTREAMREQUEST']._serialized_start=2809
  _globals['_EXECUTEPARALLELSTREAMREQUEST']._serialized_end=2895
  _globals['_EXECUTEPARALLELSTREAMRESPONSE']._serialized_start=2897
  _globals['_EXECUTEPARALLELSTREAMRESPONSE']._serialized_end=2973
  _globals['_EXECUTIONEVENT']._serialized_start=2976
  _globals['_EXECUTIONEVENT']._serialized_end=3328
  _globals['_EXECUTIONPLANNED']._serialized_start=3330
  _globals['_EXECUTIONPLANNED']._serialized_end=3404
  _globals['_WAVE']._serialized_start=3406
  _globals['_WAVE']._serialized_end=3427
  _globals['_ATTEMPTSTARTED']._serialized_start=3429
  _globals['_ATTEMPTSTARTED']._serialized_end=3498
  _globals['_ATTEMPTPROGRESS']._serialized_start=3500
  _globals['_ATTEMPTPROGRESS']._serialized_end=3607
  _globals['_ATTEMPTRETRIED']._serialized_start=3610
  _globals['_ATTEMPTRETRIED']._serialized_end=3748
  _globals['_CALLENDED']._serialized_start=3750
  _globals['_CALLENDED']._serialized_end=3822
  _globals['_PLANEXECUTIONREQUEST']._serialized_start=3824
  _globals['_PLANEXECUTIONREQUEST']._serialized_end=3902
  _globals['_PLANEXECUTIONRESPONSE']._serialized_start=3905
  _globals['_PLANEXECUTIONRESPONSE']._serialized_end=4067
  _globals['_EDGE']._serialized_start=4069
  _globals['_EDGE']._serialized_end=4158
  _globals['_CANCELEXECUTIONREQUEST']._serialized_start=4160
  _globals['_CANCELEXECUTIONREQUEST']._serialized_end=4245
  _globals['_CANCELEXECUTIONRESPONSE']._serialized_start=4247
  _globals['_CANCELEXECUTIONRESPONSE']._serialized_end=4317
  _globals['_LISTTOOLSREQUEST']._serialized_start=4319
  _globals['_LISTTOOLSREQUEST']._serialized_end=4337
  _globals['_LISTTOOLSRESPONSE']._serialized_start=4339
  _globals['_LISTTOOLSRESPONSE']._serialized_end=4398
  _globals['_LISTEDTOOL']._serialized_start=4400
  _globals['_LISTEDTOOL']._serialized_end=4497
  _globals['_EXECUTIONSERVICE']._serialized_start=5473
  _globals['_EXECUTIONSERVICE']._serialized_end=5957
# @@protoc_insertion_point(module_scope)
