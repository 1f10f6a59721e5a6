package example;

import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.Duration;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.ListValue;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import com.google.protobuf.util.JsonFormat;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import io.grpc.CallCredentials;
import io.grpc.ChannelCredentials;
import io.grpc.CompositeChannelCredentials;
import io.grpc.Context;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.grpc.protobuf.StatusProto;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import toolwave.v1.Call;
import toolwave.v1.CallResult;
import toolwave.v1.CancelExecutionRequest;
import toolwave.v1.ExecuteParallelRequest;
import toolwave.v1.ExecuteParallelResponse;
import toolwave.v1.ExecuteParallelStreamRequest;
import toolwave.v1.ExecuteParallelStreamResponse;
import toolwave.v1.ExecutionEvent;
import toolwave.v1.ExecutionServiceGrpc;
import toolwave.v1.ExecutionServiceGrpc.ExecutionServiceBlockingStub;
import toolwave.v1.ParameterViolation;

/** Shows what a program in Java says to a toolwave coordinator. Each step prints lines of JSON. */
public final class Client {
  /** The timeout of calls that are meant to be stopped before, in seconds. */
  private static final long LONG = 900;

  /** Only what runs nothing is repeated by gRPC itself; docs/clients.md says why executions are not. */
  private static final Map<String, ?> SERVICE_CONFIG =
      Map.of("methodConfig", List.of(Map.of(
          "name", Stream.of("ListTools", "PlanExecution")
              .map(method -> Map.of("service", ExecutionServiceGrpc.SERVICE_NAME, "method", method)).toList(),
          // grpc-java wants numbers to be doubles here.
          "retryPolicy", Map.of("maxAttempts", 4.0, "initialBackoff", "0.2s", "maxBackoff", "5s",
              "backoffMultiplier", 2.0, "retryableStatusCodes", List.of("UNAVAILABLE")))));

  private final ExecutionServiceBlockingStub stub;

  private Client(ManagedChannel channel) {
    stub = ExecutionServiceGrpc.newBlockingStub(channel);
  }

  public static void main(String[] arguments) throws Exception {
    String coordinator = "127.0.0.1:7420";
    ChannelCredentials credentials = InsecureChannelCredentials.create();
    Path token = null;
    for (Iterator<String> flags = List.of(arguments).iterator(); flags.hasNext(); ) {
      switch (flags.next()) {
        case "--coordinator" -> coordinator = flags.next();
        case "--tls" -> credentials = TlsChannelCredentials.create(); // trusts the CAs of Java
        case "--ca" -> credentials = TlsChannelCredentials.newBuilder().trustManager(new File(flags.next())).build();
        case "--token-file" -> token = Path.of(flags.next());
        default -> throw new IllegalArgumentException("[--coordinator HOST:PORT] [--tls | --ca FILE] [--token-file FILE]");
      }
    }
    if (token != null) {
      if (credentials instanceof InsecureChannelCredentials) {
        throw new IllegalArgumentException("a token is sent over TLS only: say --tls or --ca");
      }
      credentials = CompositeChannelCredentials.create(credentials, new Bearer(Files.readString(token).strip()));
    }
    ManagedChannel channel = Grpc.newChannelBuilder(coordinator, credentials)
        .defaultServiceConfig(SERVICE_CONFIG)
        // Finds a dead coordinator while an execution runs that has nothing to say.
        .keepAliveTime(20, TimeUnit.SECONDS)
        .keepAliveTimeout(10, TimeUnit.SECONDS)
        .build();
    try {
      Client client = new Client(channel);
      client.batch();
      client.refused();
      client.stream();
      client.cancelled();
      client.abandoned();
      client.deadline();
    } finally {
      channel.shutdown().awaitTermination(5, TimeUnit.SECONDS);
    }
  }

  /** Sends a token with each request. */
  private static final class Bearer extends CallCredentials {
    private final Metadata headers = new Metadata();

    Bearer(String token) {
      headers.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + token);
    }

    @Override
    public void applyRequestMetadata(RequestInfo request, Executor executor, MetadataApplier applier) {
      applier.apply(headers);
    }
  }

  private ExecutionServiceBlockingStub within(long seconds) {
    return stub.withDeadlineAfter(seconds, TimeUnit.SECONDS);
  }

  /** Parameters as JSON text: integers of 64 bits stay exact, and the result comes back as JSON text. */
  private static Call.Builder call(String id, String tool, String parameters) {
    return Call.newBuilder().setId(id).setToolName(tool).setParametersJson(ByteString.copyFromUtf8(parameters));
  }

  /** An agent's turn: two succeed, one of them with the result of the other, and four do not. */
  private static ExecuteParallelRequest sixCalls() {
    // Parameters can be a Struct as well; its numbers are doubles, and the result comes back as a Value.
    Value expression = Value.newBuilder().setStringValue("6 * 7").build();
    return ExecuteParallelRequest.newBuilder()
        .addCalls(Call.newBuilder().setId("product").setToolName("calculator")
            .setParameters(Struct.newBuilder().putFields("expression", expression)))
        .addCalls(call("text", "echo", "{\"text\": \"6 * 7 = ${product.result.value}\", "
            + "\"number\": \"${product.result.number}\", \"exact\": 9007199254740993}"))
        .addCalls(call("broken", "fail", "{\"code\": \"OUT_OF_PAPER\", \"message\": \"no paper left\"}"))
        .addCalls(call("after", "echo", "{\"from\": \"${broken.result}\"}"))
        .addCalls(call("wrong", "sleep", "{\"milliseconds\": \"soon\"}"))
        .addCalls(call("typo", "calculater", "{\"expression\": \"6 * 7\"}"))
        .build();
  }

  private static ExecuteParallelRequest sleeper() {
    Duration timeout = Duration.newBuilder().setSeconds(LONG).build();
    return ExecuteParallelRequest.newBuilder()
        .addCalls(call("quick", "echo", "{}"))
        .addCalls(call("slow", "sleep", "{\"milliseconds\": 600000}").setTimeout(timeout))
        .build();
  }

  private void batch() throws IOException {
    ExecuteParallelResponse answer = within(60).executeParallel(sixCalls());
    // As many as calls, in their order, however they ended.
    for (CallResult result : answer.getResultsList()) {
      Line line = new Line("batch").put("call", result.getId()).put("outcome", result.getOutcome().name());
      switch (result.getResultFormCase()) {
        case RESULT -> line.json("result", JsonFormat.printer().print(result.getResult()));
        case RESULT_JSON -> line.json("result", result.getResultJson().toStringUtf8());
        case RESULTFORM_NOT_SET -> {
          List<String> paths = result.getError().getViolationsList().stream().map(ParameterViolation::getPath).toList();
          line.put("code", result.getError().getCode()).put("root", result.getError().getRootCallId())
              .put("violations", paths);
          System.err.println(result.getId() + ": " + result.getError().getMessage());
        }
      }
      line.show();
    }
  }

  /** A request that is wrong as a whole: nothing of it runs, and the status names every mistake. */
  private void refused() throws IOException {
    ExecuteParallelRequest.Builder request = ExecuteParallelRequest.newBuilder().addCalls(call("nameless", "", "{}"));
    for (int i = 0; i < 60; i++) {
      request.addCalls(Call.newBuilder().setToolName("echo").addDependsOn("x".repeat(120)));
    }
    try {
      within(60).executeParallel(request.build());
    } catch (StatusRuntimeException error) {
      Line line = new Line("refused").put("status", error.getStatus().getCode().value());
      for (Any detail : StatusProto.fromThrowable(error).getDetailsList()) {
        if (detail.is(ErrorInfo.class)) {
          line.put("reason", detail.unpack(ErrorInfo.class).getReason());
        } else if (detail.is(BadRequest.class)) {
          BadRequest bad = detail.unpack(BadRequest.class);
          // As many as fit are told; the last says how many more there are.
          int last = bad.getFieldViolationsCount() - 1;
          line.put("first", bad.getFieldViolations(0).getField()).put("last", bad.getFieldViolations(last).getField());
        }
      }
      line.show();
    }
  }

  /** What is done with each event of a stream. */
  private interface Listener {
    void hear(ExecutionEvent event);
  }

  /** Hands over each event as it happens: a slow call never delays the result of a fast one. */
  private void events(ExecuteParallelRequest request, Listener listener) {
    Iterator<ExecuteParallelStreamResponse> frames =
        within(LONG).executeParallelStream(ExecuteParallelStreamRequest.newBuilder().setExecution(request).build());
    while (frames.hasNext()) {
      frames.next().getEventsList().forEach(listener::hear);
    }
  }

  private void stream() throws IOException {
    List<ExecutionEvent> heard = new ArrayList<>();
    events(sixCalls(), heard::add);
    TreeSet<String> ended = new TreeSet<>();
    heard.stream().filter(ExecutionEvent::hasResult).forEach(e -> ended.add(e.getResult().getResult().getId()));
    new Line("stream").put("waves", heard.get(0).getPlanned().getWavesCount()).put("ended", List.copyOf(ended))
        .put("summaries", heard.stream().filter(ExecutionEvent::hasSummary).count()).show();
  }

  private static boolean slowOneStarts(ExecutionEvent event) {
    return event.hasStarted() && event.getStarted().getCallIndex() == 1;
  }

  /** An execution is cancelled by its id, from anywhere: what finished keeps its result, the rest says CANCELLED. */
  private void cancelled() throws IOException {
    CancelExecutionRequest.Builder target = CancelExecutionRequest.newBuilder();
    Line line = new Line("cancelled");
    events(sleeper(), event -> {
      if (event.hasPlanned()) {
        target.setExecutionId(event.getPlanned().getExecutionId());
      } else if (slowOneStarts(event)) {
        within(60).cancelExecution(target.build());
      } else if (event.hasResult() && event.getResult().getCallIndex() == 1) {
        line.put("outcome", event.getResult().getResult().getOutcome().name());
      }
    });
    line.show();
  }

  /** An RPC is given up: the coordinator notices, and stops what runs for nobody. */
  private void abandoned() throws IOException {
    Status.Code status = Status.Code.OK;
    try (Context.CancellableContext context = Context.current().withCancellation()) {
      context.run(() -> events(sleeper(), event -> {
        if (slowOneStarts(event)) {
          context.cancel(null);
        }
      }));
    } catch (StatusRuntimeException error) {
      status = error.getStatus().getCode();
    }
    new Line("abandoned").put("status", status.value()).show();
  }

  /** Less time than the calls need: a partial answer comes before it ends, not an error after it. */
  private void deadline() throws IOException {
    ExecuteParallelResponse answer = within(2).executeParallel(sleeper());
    List<String> outcomes = answer.getResultsList().stream().map(result -> result.getOutcome().name()).toList();
    new Line("deadline").put("status", Status.Code.OK.value()).put("outcomes", outcomes).show();
  }

  /** A line of JSON. Each value is text already, so that a result is printed as it came. */
  private static final class Line {
    private final StringBuilder text = new StringBuilder();

    Line(String step) {
      put("step", step);
    }

    Line json(String name, String value) {
      text.append(text.isEmpty() ? "" : ", ").append('"').append(name).append("\": ").append(value);
      return this;
    }

    Line put(String name, long value) {
      return json(name, Long.toString(value));
    }

    Line put(String name, String value) {
      return json(name, print(Value.newBuilder().setStringValue(value).build()));
    }

    Line put(String name, List<String> values) {
      ListValue.Builder list = ListValue.newBuilder();
      values.forEach(value -> list.addValuesBuilder().setStringValue(value));
      return json(name, print(Value.newBuilder().setListValue(list).build()));
    }

    void show() {
      System.out.println("{" + text.toString().replace("\n", " ") + "}");
    }

    private static String print(Value value) {
      try {
        return JsonFormat.printer().print(value);
      } catch (InvalidProtocolBufferException error) {
        throw new IllegalStateException(error);
      }
    }
  }
}
