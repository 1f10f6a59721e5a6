# Generated from proto/toolwave/v1/worker.proto by scripts/generate.py. Do not edit.
"""Generated protocol buffer code."""
from google.protobuf import descriptor as _descriptor
from google.protobuf import descriptor_pool as _descriptor_pool
from google.protobuf import symbol_database as _symbol_database
from google.protobuf.internal import builder as _builder
# @@protoc_insertion_point(imports)

_sym_db = _symbol_database.Default()


from google.protobuf import duration_pb2 as google_dot_protobuf_dot_duration__pb2
from toolwave._proto import tool_pb2 as toolwave_dot_v1_dot_tool__pb2


DESCRIPTOR = _descriptor_pool.Default().AddSerializedFile(b'\n\x18toolwave/v1/worker.proto\x12\x0btoolwave.v1\x1a\x1egoogle/protobuf/duration.proto\x1a\x16toolwave/v1/tool.proto\"\xcd\x03\n\x12OpenSessionRequest\x12\'\n\x08register\x18\x01 \x01(\x0b\x32\x15.toolwave.v1.Register\x12(\n\x07started\x18\x02 \x03(\x0b\x32\x17.toolwave.v1.AttemptRef\x12-\n\x08progress\x18\x03 \x03(\x0b\x32\x1b.toolwave.v1.ProgressReport\x12+\n\x07results\x18\x04 \x03(\x0b\x32\x1a.toolwave.v1.AttemptReport\x12)\n\x06\x63hunks\x18\x05 \x03(\x0b\x32\x19.toolwave.v1.PayloadChunk\x12)\n\theartbeat\x18\x06 \x01(\x0b\x32\x16.toolwave.v1.Heartbeat\x12\x30\n\rtools_changed\x18\x07 \x01(\x0b\x32\x19.toolwave.v1.ToolsChanged\x12\'\n\x08\x64raining\x18\x08 \x01(\x0b\x32\x15.toolwave.v1.Draining\x12%\n\x07goodbye\x18\t \x01(\x0b\x32\x14.toolwave.v1.Goodbye\x12\x30\n\rslots_changed\x18\n \x01(\x0b\x32\x19.toolwave.v1.SlotsChanged\"\x83\x03\n\x13OpenSessionResponse\x12+\n\nregistered\x18\x01 \x01(\x0b\x32\x17.toolwave.v1.Registered\x12)\n\ndispatches\x18\x02 \x03(\x0b\x32\x15.toolwave.v1.Dispatch\x12)\n\x06\x63hunks\x18\x03 \x03(\x0b\x32\x19.toolwave.v1.PayloadChunk\x12\'\n\x06\x61\x62orts\x18\x04 \x03(\x0b\x32\x17.toolwave.v1.AttemptRef\x12\x1c\n\x14\x61\x63knowledged_results\x18\x05 \x01(\x04\x12\x18\n\x10heartbeat_answer\x18\x06 \x01(\x04\x12\'\n\x08shutdown\x18\x07 \x01(\x0b\x32\x15.toolwave.v1.Shutdown\x12.\n\x0cset_draining\x18\x08 \x01(\x0b\x32\x18.toolwave.v1.SetDraining\x12/\n\x0c\x63oordinators\x18\t \x01(\x0b\x32\x19.toolwave.v1.Coordinators\"\xa2\x03\n\x08Register\x12\x0e\n\x06worker\x18\x01 \x01(\t\x12\x13\n\x0binstance_id\x18\x02 \x01(\t\x12\x14\n\x0cmin_protocol\x18\x03 \x01(\r\x12\x14\n\x0cmax_protocol\x18\x04 \x01(\r\x12\r\n\x05\x62uild\x18\x05 \x01(\t\x12\r\n\x05slots\x18\x06 \x01(\r\x12\x31\n\x06labels\x18\x07 \x03(\x0b\x32!.toolwave.v1.Register.LabelsEntry\x12 \n\x05tools\x18\x08 \x03(\x0b\x32\x11.toolwave.v1.Tool\x12\x16\n\x0e\x63oordinator_id\x18\t \x01(\t\x12*\n\tin_flight\x18\n \x03(\x0b\x32\x17.toolwave.v1.AttemptRef\x12\x10\n\x08\x64raining\x18\x0b \x01(\x08\x12\x19\n\x11max_message_bytes\x18\x0c \x01(\r\x12\x1c\n\x14max_parameters_bytes\x18\r \x01(\x04\x12\x14\n\x0c\x63onnected_to\x18\x0e \x03(\t\x1a-\n\x0bLabelsEntry\x12\x0b\n\x03key\x18\x01 \x01(\t\x12\r\n\x05value\x18\x02 \x01(\t:\x02\x38\x01\"\x90\x02\n\nRegistered\x12\x16\n\x0e\x63oordinator_id\x18\x01 \x01(\t\x12\x12\n\nsession_id\x18\x02 \x01(\t\x12\x10\n\x08protocol\x18\x03 \x01(\r\x12\x35\n\x12heartbeat_interval\x18\x04 \x01(\x0b\x32\x19.google.protobuf.Duration\x12-\n\nself_fence\x18\x05 \x01(\x0b\x32\x19.google.protobuf.Duration\x12)\n\x08unwanted\x18\x06 \x03(\x0b\x32\x17.toolwave.v1.AttemptRef\x12\x19\n\x11max_message_bytes\x18\x07 \x01(\r\x12\x18\n\x10max_result_bytes\x18\x08 \x01(\x04\"D\n\nAttemptRef\x12\x11\n\texecution\x18\x01 \x01(\x04\x12\x12\n\ncall_index\x18\x02 \x01(\r\x12\x0f\n\x07\x61ttempt\x18\x03 \x01(\r\"\xb8\x02\n\x08\x44ispatch\x12(\n\x07\x61ttempt\x18\x01 \x01(\x0b\x32\x17.toolwave.v1.AttemptRef\x12\x11\n\ttool_name\x18\x02 \x01(\t\x12\x17\n\x0fparameters_json\x18\x03 \x01(\x0c\x12\x17\n\x0fparameters_size\x18\x04 \x01(\x04\x12*\n\x07timeout\x18\x05 \x01(\x0b\x32\x19.google.protobuf.Duration\x12\x17\n\x0fidempotency_key\x18\x06 \x01(\t\x12\x16\n\x0esafe_to_repeat\x18\x07 \x01(\x08\x12\x14\n\x0c\x65xecution_id\x18\x08 \x01(\t\x12\x0f\n\x07\x63\x61ll_id\x18\t \x01(\t\x12\x10\n\x08sequence\x18\n \x01(\x04\x12\x13\n\x0btraceparent\x18\x0b \x01(\t\x12\x12\n\ntracestate\x18\x0c \x01(\t\"V\n\x0cPayloadChunk\x12(\n\x07\x61ttempt\x18\x01 \x01(\x0b\x32\x17.toolwave.v1.AttemptRef\x12\x0e\n\x06offset\x18\x02 \x01(\x04\x12\x0c\n\x04\x64\x61ta\x18\x03 \x01(\x0c\"o\n\x0eProgressReport\x12(\n\x07\x61ttempt\x18\x01 \x01(\x0b\x32\x17.toolwave.v1.AttemptRef\x12\x15\n\x08\x66raction\x18\x02 \x01(\x01H\x00\x88\x01\x01\x12\x0f\n\x07message\x18\x03 \x01(\tB\x0b\n\t_fraction\"\xe1\x01\n\rAttemptReport\x12(\n\x07\x61ttempt\x18\x01 \x01(\x0b\x32\x17.toolwave.v1.AttemptRef\x12\x10\n\x08sequence\x18\x02 \x01(\x04\x12\x15\n\x0bresult_json\x18\x03 \x01(\x0cH\x00\x12.\n\x07\x66\x61ilure\x18\x04 \x01(\x0b\x32\x1b.toolwave.v1.AttemptFailureH\x00\x12\x13\n\x0bresult_size\x18\x05 \x01(\x04\x12\x31\n\x0e\x65xecution_time\x18\x06 \x01(\x0b\x32\x19.google.protobuf.DurationB\x05\n\x03\x65nd\"\xb7\x01\n\x0e\x41ttemptFailure\x12-\n\x04kind\x18\x01 \x01(\x0e\x32\x1f.toolwave.v1.AttemptFailureKind\x12\x0c\n\x04\x63ode\x18\x02 \x01(\t\x12\x0f\n\x07message\x18\x03 \x01(\t\x12\x11\n\tretryable\x18\x04 \x01(\x08\x12.\n\x0bretry_after\x18\x05 \x01(\x0b\x32\x19.google.protobuf.Duration\x12\x14\n\x0c\x64\x65tails_json\x18\x06 \x01(\x0c\"`\n\tHeartbeat\x12\x0e\n\x06number\x18\x01 \x01(\x04\x12*\n\tin_flight\x18\x02 \x03(\x0b\x32\x17.toolwave.v1.AttemptRef\x12\x17\n\x0f\x64ispatches_read\x18\x03 \x01(\x04\"0\n\x0cToolsChanged\x12 \n\x05tools\x18\x01 \x03(\x0b\x32\x11.toolwave.v1.Tool\"\x1a\n\x08\x44raining\x12\x0e\n\x06reason\x18\x01 \x01(\t\"\x19\n\x07Goodbye\x12\x0e\n\x06reason\x18\x01 \x01(\t\">\n\x08Shutdown\x12\x32\n\x0freconnect_after\x18\x01 \x01(\x0b\x32\x19.google.protobuf.Duration\"\x1f\n\x0bSetDraining\x12\x10\n\x08\x64raining\x18\x01 \x01(\x08\"\x1d\n\x0cSlotsChanged\x12\r\n\x05slots\x18\x01 \x01(\r\"!\n\x0c\x43oordinators\x12\x11\n\taddresses\x18\x01 \x03(\t*\xbd\x02\n\x12\x41ttemptFailureKind\x12$\n ATTEMPT_FAILURE_KIND_UNSPECIFIED\x10\x00\x12 \n\x1c\x41TTEMPT_FAILURE_KIND_REFUSED\x10\x01\x12#\n\x1f\x41TTEMPT_FAILURE_KIND_TOOL_ERROR\x10\x02\x12(\n$ATTEMPT_FAILURE_KIND_BROKEN_CONTRACT\x10\x03\x12\"\n\x1e\x41TTEMPT_FAILURE_KIND_TIMED_OUT\x10\x04\x12 \n\x1c\x41TTEMPT_FAILURE_KIND_ABORTED\x10\x05\x12)\n%ATTEMPT_FAILURE_KIND_RESULT_TOO_LARGE\x10\x06\x12\x1f\n\x1b\x41TTEMPT_FAILURE_KIND_FENCED\x10\x07\x32\x65\n\rWorkerService\x12T\n\x0bOpenSession\x12\x1f.toolwave.v1.OpenSessionRequest\x1a .toolwave.v1.OpenSessionResponse(\x01\x30\x01\x42\x02P\x01\x62\x06proto3')

_globals = globals()
_builder.BuildMessageAndEnumDescriptors(DESCRIPTOR, _globals)
_builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, 'toolwave.v1.worker_pb2', _globals)
if not _descriptor._USE_C_DESCRIPTORS:
  _globals['DESCRIPTOR']._loaded_options = None
  _globals['DESCRIPTOR']._serialized_options = b'P\001'
  _globals['_REGISTER_LABELSENTRY']._loaded_options = None
  _globals['_REGISTER_LABELSENTRY']._serialized_options = b'8\001'
  _globals['_ATTEMPTFAILUREKIND']._serialized_start=3014
  _globals['_ATTEMPTFAILUREKIND']._serialized_end=3331
  _globals['_OPENSESSIONREQUEST']._serialized_start=98
  _globals['_OPENSESSIONREQUEST']._serialized_end=559
  _globals['_OPENSESSIONRESPONSE']._serialized_start=562
  _globals['_OPENSESSIONRESPONSE']._serialized_end=949
  _globals['_REGISTER']._serialized_start=952
  _globals['_REGISTER']._serialized_end=1370
  _globals['_REGISTER_LABELSENTRY']._serialized_start=1325
  _globals['_REGISTER_LABELSENTRY']._serialized_end=1370
  _globals['_REGISTERED']._serialized_start=1373
  _globals['_REGISTERED']._serialized_end=1645
  _globals['_ATTEMPTREF']._serialized_start=1647
  _globals['_ATTEMPTREF']._serialized_end=1715
  _globals['_DISPATCH']._serialized_start=1718
  _globals['_DISPATCH']._serialized_end=2030
  _globals['_PAYLOADCHUNK']._serialized_start=2032
  _globals['_PAYLOADCHUNK']._serialized_end=2118
  _globals['_PROGRESSREPORT']._serialized_start=2120
  _globals['_PROGRESSREPORT']._serialized_end=2231
  _globals['_ATTEMPTREPORT']._serialized_start=2234
  _globals['_ATTEMPTREPORT']._serialized_end=2459
  _globals['_ATTEMPTFAILURE']._serialized_start=2462
  _globals['_ATTEMPTFAILURE']._serialized_end=2645
  _globals['_HEARTBEAT']._serialized_start=2647
  _globals['_HEARTBEAT']._serialized_end=2743
  _globals['_TOOLSCHANGED']._serialized_start=2745
  _globals['_TOOLSCHANGED']._serialized_end=2793
  _globals['_DRAINING']._serialized_start=2795
  _globals['_DRAINING']._serialized_end=2821
  _globals['_GOODBYE']._serialized_start=2823
  _globals['_GOODBYE']._serialized_end=2848
  _globals['_SHUTDOWN']._serialized_start=2850
  _globals['_SHUTDOWN']._serialized_end=2912
  _globals['_SETDRAINING']._serialized_start=2914
  _globals['_SETDRAINING']._serialized_end=2945
  _globals['_SLOTSCHANGED']._serialized_start=2947
  _globals['_SLOTSCHANGED']._serialized_end=2976
  _globals['_COORDINATORS']._serialized_start=2978
  _globals['_COORDINATORS']._serialized_end=3011
  _globals['_WORKERSERVICE']._serialized_start=3333
  _globals['_WORKERSERVICE']._serialized_end=3434
# @@protoc_insertion_point(module_scope)
