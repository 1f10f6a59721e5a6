// Shows what a program in C++ says to a toolwave coordinator. Each step prints lines of JSON.
#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "toolwave/v1/execution.grpc.pb.h"

namespace tw = toolwave::v1;
using Service = tw::ExecutionService::Stub;
using std::chrono::seconds;

// The timeout of calls that are meant to be stopped before.
constexpr seconds kLong{900};

// Only what runs nothing is repeated by gRPC itself; docs/clients.md says why executions are not.
constexpr char kServiceConfig[] = R"({"methodConfig": [{
    "name": [{"service": "toolwave.v1.ExecutionService", "method": "ListTools"},
             {"service": "toolwave.v1.ExecutionService", "method": "PlanExecution"}],
    "retryPolicy": {"maxAttempts": 4, "initialBackoff": "0.2s", "maxBackoff": "5s", "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"]}}]})";

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// A line of JSON. Each value is text already, so that a result is printed as it came.
class Line {
 public:
  explicit Line(const std::string& step) { Put("step", step); }
  Line& Json(const std::string& name, const std::string& value) {
    text_ += (text_.empty() ? "{\"" : ", \"") + name + "\": " + value;
    return *this;
  }
  Line& Put(const std::string& name, const std::string& value) {
    google::protobuf::Value text;
    text.set_string_value(value);
    return Json(name, Print(text));
  }
  Line& Put(const std::string& name, int value) { return Json(name, std::to_string(value)); }
  template <typename Strings>
  Line& List(const std::string& name, const Strings& values) {
    google::protobuf::ListValue list;
    for (const auto& value : values) list.add_values()->set_string_value(value);
    return Json(name, Print(list));
  }
  static std::string Print(const google::protobuf::Message& message) {
    std::string json;
    if (!google::protobuf::util::MessageToJsonString(message, &json).ok()) throw std::runtime_error("no JSON");
    return json;
  }
  void Show() const { std::cout << text_ << "}" << std::endl; }

 private:
  std::string text_;
};

std::shared_ptr<grpc::Channel> Connect(int count, char** flags) {
  std::string coordinator = "127.0.0.1:7420", token;
  auto credentials = grpc::InsecureChannelCredentials();
  bool tls = false;
  for (int i = 1; i < count; i++) {
    const std::string flag = flags[i];
    if (flag == "--tls") {  // trusts the CAs of the system
      credentials = grpc::SslCredentials({});
      tls = true;
      continue;
    }
    if (++i == count) throw std::runtime_error(flag + " needs a value");
    if (flag == "--coordinator") {
      coordinator = flags[i];
    } else if (flag == "--ca") {
      grpc::SslCredentialsOptions trusted;
      trusted.pem_root_certs = ReadFile(flags[i]);
      credentials = grpc::SslCredentials(trusted);
      tls = true;
    } else if (flag == "--token-file") {
      token = ReadFile(flags[i]);
      token.erase(token.find_last_not_of(" \r\n") + 1);
    } else {
      throw std::runtime_error("[--coordinator HOST:PORT] [--tls | --ca FILE] [--token-file FILE]");
    }
  }
  if (!token.empty()) {
    if (!tls) throw std::runtime_error("a token is sent over TLS only: say --tls or --ca");
    // Sends `authorization: Bearer` with each request.
    credentials = grpc::CompositeChannelCredentials(credentials, grpc::AccessTokenCredentials(token));
  }
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(kServiceConfig);
  // Finds a dead coordinator while an execution runs that has nothing to say.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  return grpc::CreateCustomChannel(coordinator, credentials, arguments);
}

void Within(grpc::ClientContext& context, seconds timeout) {
  context.set_deadline(std::chrono::system_clock::now() + timeout);
}

void Check(const grpc::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.error_message());
}

// Parameters as JSON text: integers of 64 bits stay exact, and the result comes back as JSON text.
tw::Call* Add(tw::ExecuteParallelRequest& request, const std::string& id, const std::string& tool,
              const std::string& parameters) {
  tw::Call* call = request.add_calls();
  call->set_id(id);
  call->set_tool_name(tool);
  call->set_parameters_json(parameters);
  return call;
}

// An agent's turn: two succeed, one of them with the result of the other, and four do not.
tw::ExecuteParallelRequest SixCalls() {
  tw::ExecuteParallelRequest request;
  // Parameters can be a Struct as well; its numbers are doubles, and the result comes back as a Value.
  tw::Call* product = request.add_calls();
  product->set_id("product");
  product->set_tool_name("calculator");
  (*product->mutable_parameters()->mutable_fields())["expression"].set_string_value("6 * 7");
  Add(request, "text", "echo",
      R"({"text": "6 * 7 = ${product.result.value}", "number": "${product.result.number}", )"
      R"("exact": 9007199254740993})");
  Add(request, "broken", "fail", R"({"code": "OUT_OF_PAPER", "message": "no paper left"})");
  Add(request, "after", "echo", R"({"from": "${broken.result}"})");
  Add(request, "wrong", "sleep", R"({"milliseconds": "soon"})");
  Add(request, "typo", "calculater", R"({"expression": "6 * 7"})");
  return request;
}

tw::ExecuteParallelRequest Sleeper() {
  tw::ExecuteParallelRequest request;
  Add(request, "quick", "echo", "{}");
  Add(request, "slow", "sleep", R"({"milliseconds": 600000})")->mutable_timeout()->set_seconds(kLong.count());
  return request;
}

void Batch(Service& service) {
  grpc::ClientContext context;
  Within(context, seconds(60));
  tw::ExecuteParallelResponse answer;
  Check(service.ExecuteParallel(&context, SixCalls(), &answer));
  // As many as calls, in their order, however they ended.
  for (const tw::CallResult& result : answer.results()) {
    Line line("batch");
    line.Put("call", result.id()).Put("outcome", tw::Outcome_Name(result.outcome()));
    if (result.has_result()) line.Json("result", Line::Print(result.result()));
    if (result.has_result_json()) line.Json("result", result.result_json());
    if (result.has_error()) {
      std::vector<std::string> paths;
      for (const auto& violation : result.error().violations()) paths.push_back(violation.path());
      line.Put("code", result.error().code()).Put("root", result.error().root_call_id()).List("violations", paths);
      std::cerr << result.id() << ": " << result.error().message() << std::endl;
    }
    line.Show();
  }
}

// A request that is wrong as a whole: nothing of it runs, and the status names every mistake.
void Refused(Service& service) {
  tw::ExecuteParallelRequest request;
  Add(request, "nameless", "", "{}");
  for (int i = 0; i < 60; i++) {
    tw::Call* call = request.add_calls();
    call->set_tool_name("echo");
    call->add_depends_on(std::string(120, 'x'));
  }
  grpc::ClientContext context;
  Within(context, seconds(60));
  tw::ExecuteParallelResponse answer;
  const grpc::Status status = service.ExecuteParallel(&context, request, &answer);
  Line line("refused");
  line.Put("status", status.error_code());
  google::rpc::Status rich;
  if (!rich.ParseFromString(status.error_details())) throw std::runtime_error("no details");
  for (const google::protobuf::Any& detail : rich.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad;
    if (detail.UnpackTo(&info)) line.Put("reason", info.reason());
    // As many as fit are told; the last says how many more there are.
    if (detail.UnpackTo(&bad)) {
      line.Put("first", bad.field_violations(0).field());
      line.Put("last", bad.field_violations(bad.field_violations_size() - 1).field());
    }
  }
  line.Show();
}

// Hands over each event as it happens: a slow call never delays the result of a fast one.
grpc::Status Events(Service& service, grpc::ClientContext& context, const tw::ExecuteParallelRequest& execution,
                    const std::function<void(const tw::ExecutionEvent&)>& hear) {
  Within(context, kLong);
  tw::ExecuteParallelStreamRequest request;
  *request.mutable_execution() = execution;
  const auto frames = service.ExecuteParallelStream(&context, request);
  tw::ExecuteParallelStreamResponse frame;
  while (frames->Read(&frame)) {
    for (const tw::ExecutionEvent& event : frame.events()) hear(event);
  }
  return frames->Finish();
}

void Stream(Service& service) {
  int waves = 0, summaries = 0;
  std::set<std::string> ended;
  grpc::ClientContext context;
  Check(Events(service, context, SixCalls(), [&](const tw::ExecutionEvent& event) {
    if (event.has_planned()) waves = event.planned().waves_size();
    if (event.has_result()) ended.insert(event.result().result().id());
    if (event.has_summary()) summaries++;
  }));
  Line("stream").Put("waves", waves).List("ended", ended).Put("summaries", summaries).Show();
}

bool SlowOneStarts(const tw::ExecutionEvent& event) { return event.has_started() && event.started().call_index() == 1; }

// An execution is cancelled by its id, from anywhere: what finished keeps its result, the rest says CANCELLED.
void Cancelled(Service& service) {
  std::string outcome;
  tw::CancelExecutionRequest target;
  grpc::ClientContext context;
  Check(Events(service, context, Sleeper(), [&](const tw::ExecutionEvent& event) {
    if (event.has_planned()) target.set_execution_id(event.planned().execution_id());
    if (SlowOneStarts(event)) {
      grpc::ClientContext other;
      tw::CancelExecutionResponse answer;
      Check(service.CancelExecution(&other, target, &answer));
    }
    if (event.has_result() && event.result().call_index() == 1) {
      outcome = tw::Outcome_Name(event.result().result().outcome());
    }
  }));
  Line("cancelled").Put("outcome", outcome).Show();
}

// An RPC is given up: the coordinator notices, and stops what runs for nobody.
void Abandoned(Service& service) {
  grpc::ClientContext context;
  const grpc::Status status = Events(service, context, Sleeper(), [&](const tw::ExecutionEvent& event) {
    if (SlowOneStarts(event)) context.TryCancel();
  });
  Line("abandoned").Put("status", status.error_code()).Show();
}

// Less time than the calls need: a partial answer comes before it ends, not an error after it.
void Deadline(Service& service) {
  grpc::ClientContext context;
  Within(context, seconds(2));
  tw::ExecuteParallelResponse answer;
  const grpc::Status status = service.ExecuteParallel(&context, Sleeper(), &answer);
  std::vector<std::string> outcomes;
  for (const tw::CallResult& result : answer.results()) outcomes.push_back(tw::Outcome_Name(result.outcome()));
  Line("deadline").Put("status", status.error_code()).List("outcomes", outcomes).Show();
}

int main(int count, char** flags) try {
  const std::unique_ptr<Service> service = tw::ExecutionService::NewStub(Connect(count, flags));
  for (const auto step : {Batch, Refused, Stream, Cancelled, Abandoned, Deadline}) step(*service);
} catch (const std::exception& error) {
  std::cerr << error.what() << std::endl;
  return EXIT_FAILURE;
}
