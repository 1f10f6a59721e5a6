// Command client shows what a program in Go says to a toolwave coordinator. Each step prints lines of JSON.
//
// It uses nothing but what is generated from proto/toolwave/v1 and google.golang.org/grpc.
package main

//go:generate buf generate

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	pb "example.com/toolwave/client/toolwavev1"
)

// Only what runs nothing is repeated by gRPC itself; docs/clients.md says why executions are not.
const serviceConfig = `{"methodConfig": [{
	"name": [{"service": "toolwave.v1.ExecutionService", "method": "ListTools"},
	         {"service": "toolwave.v1.ExecutionService", "method": "PlanExecution"}],
	"retryPolicy": {"maxAttempts": 4, "initialBackoff": "0.2s", "maxBackoff": "5s", "backoffMultiplier": 2,
	                "retryableStatusCodes": ["UNAVAILABLE"]}}]}`

// long is the timeout of calls that are meant to be stopped before.
const long = 15 * time.Minute

// bearer sends a token with each request. gRPC refuses to send it without TLS.
type bearer string

func (t bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(t)}, nil
}

func (bearer) RequireTransportSecurity() bool { return true }

func main() {
	log.SetFlags(0)
	coordinator := flag.String("coordinator", "127.0.0.1:7420", "host and port of the coordinator")
	useTLS := flag.Bool("tls", false, "speak TLS, and trust the CAs of the system")
	ca := flag.String("ca", "", "speak TLS, and trust the CA in this PEM file and no other")
	tokenFile := flag.String("token-file", "", "send the token in this file, over TLS only")
	flag.Parse()

	connection, err := connect(*coordinator, *useTLS, *ca, *tokenFile)
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	client := pb.NewExecutionServiceClient(connection)
	steps := []func(pb.ExecutionServiceClient) error{batch, refused, stream, cancelled, abandoned, deadline}
	for _, step := range steps {
		if err := step(client); err != nil {
			log.Fatal(err)
		}
	}
}

func connect(coordinator string, useTLS bool, ca, tokenFile string) (*grpc.ClientConn, error) {
	transport := insecure.NewCredentials()
	switch {
	case ca != "":
		var err error
		if transport, err = credentials.NewClientTLSFromFile(ca, ""); err != nil {
			return nil, err
		}
	case useTLS:
		transport = credentials.NewTLS(nil)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultServiceConfig(serviceConfig),
		// Finds a dead coordinator while an execution runs that has nothing to say.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 10 * time.Second}),
	}
	if tokenFile != "" {
		token, err := os.ReadFile(tokenFile)
		if err != nil {
			return nil, err
		}
		options = append(options, grpc.WithPerRPCCredentials(bearer(strings.TrimSpace(string(token)))))
	}
	return grpc.NewClient(coordinator, options...)
}

// call has its parameters as JSON text: integers of 64 bits stay exact, and the result comes back as JSON text.
func call(id, tool, parameters string) *pb.Call {
	return &pb.Call{Id: proto.String(id), ToolName: tool,
		ParametersForm: &pb.Call_ParametersJson{ParametersJson: []byte(parameters)}}
}

// sixCalls is an agent's turn: two succeed, one of them with the result of the other, and four do not.
func sixCalls() []*pb.Call {
	// Parameters can be a Struct as well; its numbers are doubles, and the result comes back as a Value.
	expression := &structpb.Struct{Fields: map[string]*structpb.Value{"expression": structpb.NewStringValue("6 * 7")}}
	return []*pb.Call{
		{Id: proto.String("product"), ToolName: "calculator",
			ParametersForm: &pb.Call_Parameters{Parameters: expression}},
		call("text", "echo", `{"text": "6 * 7 = ${product.result.value}", "number": "${product.result.number}", `+
			`"exact": 9007199254740993}`),
		call("broken", "fail", `{"code": "OUT_OF_PAPER", "message": "no paper left"}`),
		call("after", "echo", `{"from": "${broken.result}"}`),
		call("wrong", "sleep", `{"milliseconds": "soon"}`),
		call("typo", "calculater", `{"expression": "6 * 7"}`),
	}
}

func batch(client pb.ExecutionServiceClient) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	answer, err := client.ExecuteParallel(ctx, &pb.ExecuteParallelRequest{Calls: sixCalls()})
	if err != nil {
		return err
	}
	// As many as calls, in their order, however they ended.
	for _, result := range answer.Results {
		line := map[string]any{"step": "batch", "call": result.Id, "outcome": result.Outcome.String()}
		switch form := result.ResultForm.(type) {
		case *pb.CallResult_Result:
			line["result"] = form.Result.AsInterface()
		case *pb.CallResult_ResultJson:
			line["result"] = json.RawMessage(form.ResultJson)
		}
		if failure := result.Error; failure != nil {
			line["code"], line["root"] = failure.Code, failure.RootCallId
			paths := []string{}
			for _, violation := range failure.Violations {
				paths = append(paths, violation.Path)
			}
			line["violations"] = paths
			fmt.Fprintf(os.Stderr, "%s: %s\n", result.Id, failure.Message)
		}
		show(line)
	}
	return nil
}

// refused sends a request that is wrong as a whole: nothing of it runs, and the status names every mistake.
func refused(client pb.ExecutionServiceClient) error {
	calls := []*pb.Call{call("nameless", "", "{}")}
	nobody := strings.Repeat("x", 120)
	for range 60 {
		calls = append(calls, &pb.Call{ToolName: "echo", DependsOn: []string{nobody}})
	}
	_, err := client.ExecuteParallel(context.Background(), &pb.ExecuteParallelRequest{Calls: calls})
	line := map[string]any{"step": "refused", "status": status.Code(err)}
	for _, detail := range status.Convert(err).Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			line["reason"] = detail.Reason
		case *errdetails.BadRequest:
			// As many as fit are told; the last says how many more there are.
			told := detail.FieldViolations
			line["first"], line["last"] = told[0].Field, told[len(told)-1].Field
		}
	}
	show(line)
	return nil
}

// events opens a stream and hands over each event, until `each` has had enough or the stream ends.
func events(ctx context.Context, client pb.ExecutionServiceClient, calls []*pb.Call,
	each func(*pb.ExecutionEvent) error) error {
	request := &pb.ExecuteParallelStreamRequest{Execution: &pb.ExecuteParallelRequest{Calls: calls}}
	frames, err := client.ExecuteParallelStream(ctx, request)
	if err != nil {
		return err
	}
	for {
		frame, err := frames.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, event := range frame.Events {
			if err := each(event); err != nil {
				return err
			}
		}
	}
}

// stream hears of each call as it ends: a slow one never delays the result of a fast one.
func stream(client pb.ExecutionServiceClient) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	waves, summaries, ended := 0, 0, []string{}
	err := events(ctx, client, sixCalls(), func(event *pb.ExecutionEvent) error {
		switch kind := event.Kind.(type) {
		case *pb.ExecutionEvent_Planned:
			waves = len(kind.Planned.Waves)
		case *pb.ExecutionEvent_Result:
			ended = append(ended, kind.Result.Result.Id)
		case *pb.ExecutionEvent_Summary:
			summaries++
		}
		return nil
	})
	slices.Sort(ended)
	show(map[string]any{"step": "stream", "waves": waves, "ended": ended, "summaries": summaries})
	return err
}

func sleeper() []*pb.Call {
	slow := call("slow", "sleep", `{"milliseconds": 600000}`)
	slow.Timeout = durationpb.New(long)
	return []*pb.Call{call("quick", "echo", "{}"), slow}
}

// cancelled ends an execution by its id, from anywhere: what finished keeps its result, the rest says CANCELLED.
func cancelled(client pb.ExecutionServiceClient) error {
	ctx, cancel := context.WithTimeout(context.Background(), long)
	defer cancel()
	id, outcome := "", ""
	err := events(ctx, client, sleeper(), func(event *pb.ExecutionEvent) error {
		switch kind := event.Kind.(type) {
		case *pb.ExecutionEvent_Planned:
			id = kind.Planned.ExecutionId
		case *pb.ExecutionEvent_Started:
			if kind.Started.CallIndex != 1 {
				return nil
			}
			target := &pb.CancelExecutionRequest_ExecutionId{ExecutionId: id}
			_, err := client.CancelExecution(ctx, &pb.CancelExecutionRequest{Target: target})
			return err
		case *pb.ExecutionEvent_Result:
			if kind.Result.CallIndex == 1 {
				outcome = kind.Result.Result.Outcome.String()
			}
		}
		return nil
	})
	show(map[string]any{"step": "cancelled", "outcome": outcome})
	return err
}

// abandoned gives up an RPC: the coordinator notices, and stops what runs for nobody.
func abandoned(client pb.ExecutionServiceClient) error {
	ctx, cancel := context.WithTimeout(context.Background(), long)
	defer cancel()
	err := events(ctx, client, sleeper(), func(event *pb.ExecutionEvent) error {
		if event.GetStarted().GetCallIndex() == 1 {
			cancel()
		}
		return nil
	})
	show(map[string]any{"step": "abandoned", "status": status.Code(err)})
	if status.Code(err) == codes.Canceled {
		return nil
	}
	return err
}

// deadline leaves less time than the calls need, and gets a partial answer before it ends, not an error after it.
func deadline(client pb.ExecutionServiceClient) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	answer, err := client.ExecuteParallel(ctx, &pb.ExecuteParallelRequest{Calls: sleeper()})
	outcomes := []string{}
	for _, result := range answer.GetResults() {
		outcomes = append(outcomes, result.Outcome.String())
	}
	show(map[string]any{"step": "deadline", "status": status.Code(err), "outcomes": outcomes})
	return err
}

func show(line map[string]any) {
	text, err := json.Marshal(line)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(text))
}
