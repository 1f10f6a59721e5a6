# Generated from proto/toolwave/v1/tool.proto by scripts/generate.py. Do not edit.
"""Generated protocol buffer code."""
from google.protobuf import descriptor as _descriptor
from google.protobuf import descriptor_pool as _descriptor_pool
from google.protobuf import symbol_database as _symbol_database
from google.protobuf.internal import builder as _builder
# @@protoc_insertion_point(imports)

_sym_db = _symbol_database.Default()


from google.protobuf import duration_pb2 as google_dot_protobuf_dot_duration__pb2


DESCRIPTOR = _descriptor_pool.Default().AddSerializedFile(b'\n\x16toolwave/v1/tool.proto\x12\x0btoolwave.v1\x1a\x1egoogle/protobuf/duration.proto\"\x85\x04\n\x04Tool\x12\x0c\n\x04name\x18\x01 \x01(\t\x12\x13\n\x0b\x64\x65scription\x18\x02 \x01(\t\x12\x19\n\x11input_schema_json\x18\x03 \x01(\x0c\x12\x1a\n\x12output_schema_json\x18\x04 \x01(\x0c\x12$\n\x07\x65\x66\x66\x65\x63ts\x18\x05 \x03(\x0b\x32\x13.toolwave.v1.Effect\x12\x11\n\tread_only\x18\x06 \x01(\x08\x12\x12\n\nidempotent\x18\x07 \x01(\x08\x12\x1f\n\x17honours_idempotency_key\x18\x08 \x01(\x08\x12*\n\x07timeout\x18\t \x01(\x0b\x32\x19.google.protobuf.Duration\x12\x17\n\x0fmax_concurrency\x18\n \x01(\r\x12\"\n\x1amax_concurrency_per_worker\x18\x0b \x01(\r\x12\x17\n\x0frate_per_second\x18\x0c \x01(\x01\x12\x12\n\nrate_burst\x18\r \x01(\r\x12\x18\n\x10max_result_bytes\x18\x0e \x01(\x04\x12\'\n\x05retry\x18\x0f \x01(\x0b\x32\x18.toolwave.v1.RetryPolicy\x12-\n\x06labels\x18\x10 \x03(\x0b\x32\x1d.toolwave.v1.Tool.LabelsEntry\x1a-\n\x0bLabelsEntry\x12\x0b\n\x03key\x18\x01 \x01(\t\x12\r\n\x05value\x18\x02 \x01(\t:\x02\x38\x01\"\x9b\x01\n\x0bRetryPolicy\x12\x14\n\x0cmax_attempts\x18\x01 \x01(\r\x12\x32\n\x0finitial_backoff\x18\x02 \x01(\x0b\x32\x19.google.protobuf.Duration\x12.\n\x0bmax_backoff\x18\x03 \x01(\x0b\x32\x19.google.protobuf.Duration\x12\x12\n\nmultiplier\x18\x04 \x01(\x01\"E\n\x06\x45\x66\x66\x65\x63t\x12%\n\x04mode\x18\x01 \x01(\x0e\x32\x17.toolwave.v1.EffectMode\x12\x14\n\x0ckey_template\x18\x02 \x01(\t*X\n\nEffectMode\x12\x1b\n\x17\x45\x46\x46\x45\x43T_MODE_UNSPECIFIED\x10\x00\x12\x15\n\x11\x45\x46\x46\x45\x43T_MODE_READS\x10\x01\x12\x16\n\x12\x45\x46\x46\x45\x43T_MODE_WRITES\x10\x02\x42\x02P\x01\x62\x06proto3')

_globals = globals()
_builder.BuildMessageAndEnumDescriptors(DESCRIPTOR, _globals)
_builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, 'toolwave.v1.tool_pb2', _globals)
if not _descriptor._USE_C_DESCRIPTORS:
  _globals['DESCRIPTOR']._loaded_options = None
  _globals['DESCRIPTOR']._serialized_options = b'P\001'
  _globals['_TOOL_LABELSENTRY']._loaded_options = None
  _globals['_TOOL_LABELSENTRY']._serialized_options = b'8\001'
  _globals['_EFFECTMODE']._serialized_start=820
  _globals['_EFFECTMODE']._serialized_end=908
  _globals['_TOOL']._serialized_start=72
  _globals['_TOOL']._serialized_end=589
  _globals['_TOOL_LABELSENTRY']._serialized_start=544
  _globals['_TOOL_LABELSENTRY']._serialized_end=589
  _globals['_RETRYPOLICY']._serialized_start=592
  _globals['_RETRYPOLICY']._serialized_end=747
  _globals['_EFFECT']._serialized_start=749
  _globals['_EFFECT']._serialized_end=818
# @@protoc_insertion_point(module_scope)
