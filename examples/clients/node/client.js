// Shows what a program in Node says to a toolwave coordinator. Each step prints lines of JSON.
//
// The .proto files are read when it starts: nothing is generated.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const api = grpc.loadPackageDefinition(
  protoLoader.loadSync(['toolwave/v1/execution.proto', 'google/rpc/status.proto', 'google/rpc/error_details.proto'], {
    includeDirs: [here('../../../proto'), here('..')],
    keepCase: true, // names as in the .proto files
    enums: String,
    longs: String, // 64-bit integers do not fit into numbers
    defaults: true, // '', 0, [] and null where there is nothing
    oneofs: true, // says which form is set
  }),
);
const LONG = { seconds: 900 }; // the timeout of calls that are meant to be stopped before

// Only what runs nothing is repeated by gRPC itself; docs/clients.md says why executions are not.
const serviceConfig = {
  loadBalancingConfig: [],
  methodConfig: [
    {
      name: ['ListTools', 'PlanExecution'].map((method) => ({ service: 'toolwave.v1.ExecutionService', method })),
      retryPolicy: {
        maxAttempts: 4,
        initialBackoff: '0.2s',
        maxBackoff: '5s',
        backoffMultiplier: 2,
        retryableStatusCodes: ['UNAVAILABLE'],
      },
    },
  ],
};

function connect({ coordinator, tls, ca, 'token-file': tokenFile }) {
  let credentials = grpc.credentials.createInsecure();
  if (ca) credentials = grpc.credentials.createSsl(readFileSync(ca));
  else if (tls) credentials = grpc.credentials.createSsl();
  if (tokenFile) {
    const metadata = new grpc.Metadata();
    metadata.set('authorization', `Bearer ${readFileSync(tokenFile, 'utf8').trim()}`);
    const bearer = grpc.credentials.createFromMetadataGenerator((_, done) => done(null, metadata));
    // Throws without TLS: a token is never sent where others can read it.
    credentials = grpc.credentials.combineChannelCredentials(credentials, bearer);
  }
  return new api.toolwave.v1.ExecutionService(coordinator, credentials, {
    'grpc.service_config': JSON.stringify(serviceConfig),
    // Finds a dead coordinator while an execution runs that has nothing to say.
    'grpc.keepalive_time_ms': 20_000,
    'grpc.keepalive_timeout_ms': 10_000,
  });
}

// A unary RPC as a promise.
const ask = (client, method, request, options = {}) =>
  new Promise((resolve, reject) =>
    client[method](request, new grpc.Metadata(), options, (error, answer) => (error ? reject(error) : resolve(answer))),
  );

const within = (milliseconds) => ({ deadline: Date.now() + milliseconds });
const show = (line) => console.log(JSON.stringify(line));

// Parameters as JSON text: integers of 64 bits stay exact, and the result comes back as JSON text.
const call = (id, tool_name, parameters) => ({ id, tool_name, parameters_json: Buffer.from(parameters) });

// An agent's turn: two succeed, one of them with the result of the other, and four do not.
const sixCalls = () => [
  // Parameters can be a Struct as well; its numbers are doubles, and the result comes back as a Value.
  { id: 'product', tool_name: 'calculator', parameters: { fields: { expression: { stringValue: '6 * 7' } } } },
  call(
    'text',
    'echo',
    '{"text": "6 * 7 = ${product.result.value}", "number": "${product.result.number}", "exact": 9007199254740993}',
  ),
  call('broken', 'fail', '{"code": "OUT_OF_PAPER", "message": "no paper left"}'),
  call('after', 'echo', '{"from": "${broken.result}"}'),
  call('wrong', 'sleep', '{"milliseconds": "soon"}'),
  call('typo', 'calculater', '{"expression": "6 * 7"}'),
];

const sleeper = () => [
  call('quick', 'echo', '{}'),
  { ...call('slow', 'sleep', '{"milliseconds": 600000}'), timeout: LONG },
];

// A google.protobuf.Value as a plain one.
function plain(value) {
  if (value.kind === 'structValue') {
    return Object.fromEntries(Object.entries(value.structValue.fields).map(([name, field]) => [name, plain(field)]));
  }
  if (value.kind === 'listValue') return value.listValue.values.map(plain);
  return value.kind === 'nullValue' ? null : value[value.kind];
}

async function batch(client) {
  const { results } = await ask(client, 'ExecuteParallel', { calls: sixCalls() }, within(60_000));
  // As many as calls, in their order, however they ended.
  for (const { id, outcome, result_form: form, result, result_json: text, error } of results) {
    const line = { step: 'batch', call: id, outcome };
    if (error) {
      const violations = error.violations.map(({ path }) => path);
      show({ ...line, code: error.code, root: error.root_call_id, violations });
      console.error(`${id}: ${error.message}`);
    } else if (form === 'result') {
      show({ ...line, result: plain(result) });
    } else {
      // JSON.parse would round the integer; the text goes on as it came.
      console.log(`${JSON.stringify(line).slice(0, -1)},"result":${text}}`);
    }
  }
}

// The messages that a failed RPC carries beside its code, by name.
function details(error) {
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  if (!bytes) return {};
  const read = (name, from) => api.google.rpc[name].deserialize(from);
  const found = {};
  for (const { type_url: url, value } of read('Status', bytes).details) {
    const name = url.replace('type.googleapis.com/google.rpc.', '');
    if (api.google.rpc[name]) found[name] = read(name, value);
  }
  return found;
}

// A request that is wrong as a whole: nothing of it runs, and the status names every mistake.
async function refused(client) {
  const waiting = { tool_name: 'echo', depends_on: ['x'.repeat(120)] };
  const calls = [call('nameless', '', '{}'), ...Array(60).fill(waiting)];
  const error = await ask(client, 'ExecuteParallel', { calls }, within(60_000)).catch((error) => error);
  const { ErrorInfo, BadRequest } = details(error);
  // As many as fit are told; the last says how many more there are.
  const fields = BadRequest.field_violations.map(({ field }) => field);
  show({ step: 'refused', status: error.code, reason: ErrorInfo.reason, first: fields.at(0), last: fields.at(-1) });
}

// Each event as it happens: a slow call never delays the result of a fast one.
async function* events(stream) {
  for await (const frame of stream) yield* frame.events;
}

const open = (client, calls, options) =>
  client.ExecuteParallelStream({ execution: { calls } }, new grpc.Metadata(), options);

async function stream(client) {
  const line = { step: 'stream', waves: 0, ended: [], summaries: 0 };
  for await (const event of events(open(client, sixCalls(), within(60_000)))) {
    if (event.kind === 'planned') line.waves = event.planned.waves.length;
    if (event.kind === 'result') line.ended.push(event.result.result.id);
    if (event.kind === 'summary') line.summaries += 1;
  }
  line.ended.sort();
  show(line);
}

const slowOneStarts = (event) => event.kind === 'started' && event.started.call_index === 1;

// An execution is cancelled by its id, from anywhere: what finished keeps its result, the rest says CANCELLED.
async function cancelled(client) {
  let execution_id;
  let outcome;
  for await (const event of events(open(client, sleeper(), within(900_000)))) {
    if (event.kind === 'planned') ({ execution_id } = event.planned);
    if (slowOneStarts(event)) await ask(client, 'CancelExecution', { execution_id });
    if (event.kind === 'result' && event.result.call_index === 1) ({ outcome } = event.result.result);
  }
  show({ step: 'cancelled', outcome });
}

// An RPC is given up: the coordinator notices, and stops what runs for nobody.
async function abandoned(client) {
  const running = open(client, sleeper(), within(900_000));
  let status = grpc.status.OK;
  try {
    for await (const event of events(running)) if (slowOneStarts(event)) running.cancel();
  } catch (error) {
    if (error.code !== grpc.status.CANCELLED) throw error;
    status = error.code;
  }
  show({ step: 'abandoned', status });
}

// Less time than the calls need: a partial answer comes before it ends, not an error after it.
async function deadline(client) {
  const { results } = await ask(client, 'ExecuteParallel', { calls: sleeper() }, within(2_000));
  show({ step: 'deadline', status: grpc.status.OK, outcomes: results.map(({ outcome }) => outcome) });
}

const { values } = parseArgs({
  options: {
    coordinator: { type: 'string', default: '127.0.0.1:7420' },
    tls: { type: 'boolean', default: false }, // trust the CAs of the system
    ca: { type: 'string' }, // speak TLS, and trust the CA in this PEM file and no other
    'token-file': { type: 'string' }, // send the token in this file, over TLS only
  },
});
const client = connect(values);
for (const step of [batch, refused, stream, cancelled, abandoned, deadline]) await step(client);
client.close();
