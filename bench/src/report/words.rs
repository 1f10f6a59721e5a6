//! The sentences of the report that are the same for every result file: what each scenario is, how it is
//! measured, and what the figures do not say. Holds no figure.

/// A scenario that the report knows.
pub(super) struct Scenario {
    pub(super) key: &'static str,
    pub(super) title: &'static str,
    /// What is done, and what is counted.
    pub(super) what: &'static str,
}

/// The six workloads that other systems are measured on too.
pub(super) static WORKLOADS: &[Scenario] = &[
    Scenario {
        key: "W1",
        title: "W1, throughput",
        what: "20,000 `echo` calls of about 100 bytes that need nothing of each other, as 20 executions of 1,000 calls with 256 calls in flight; the executions one after another, and in a variant four at a time. Counted are calls per second.",
    },
    Scenario {
        key: "W2",
        title: "W2, one call at a time",
        what: "2,000 `echo` calls, each after the answer of the one before. Counted is the time from request to answer.",
    },
    Scenario {
        key: "W3",
        title: "W3, sleeps",
        what: "1,000 calls that sleep 10 ms, 100 in flight. With no cost at all it takes 100 ms; counted is that ideal divided by the time measured.",
    },
    Scenario {
        key: "W4",
        title: "W4, a layered graph",
        what: "20 layers of 50 calls of 5 ms, each on three calls of the layer before, 50 in flight. Counted is the time to the last end, divided by the least that the graph allows. A call starts as soon as what it needs has ended; in the variant with barriers, when its whole wave may start.",
    },
    Scenario {
        key: "W4b",
        title: "W4b, the same graph, skewed",
        what: "as W4, with durations drawn from a lognormal distribution with a mean of 5 ms, so that a few long calls decide.",
    },
    Scenario {
        key: "W5",
        title: "W5, turns of an agent",
        what: "200 executions of five `echo` calls, one execution after another. Counted is the time of one execution.",
    },
    Scenario {
        key: "W6",
        title: "W6, large payloads",
        what: "200 calls with 1 MiB in and 1 MiB out, 16 in flight. Counted is the payload of one direction in MB per second.",
    },
];

/// Everything else, in the order of the report.
pub(super) static FURTHER: &[Scenario] = &[
    Scenario {
        key: "open-loop",
        title: "Latency under a constant load",
        what: "Executions of ten calls arrive at a constant rate over 64 connections, whether or not earlier ones have been answered. The rate is a share of the peak that 64 clients reach with toolwave just before, each waiting for its answers; the floor is given the same rates. Latency is of an execution and is counted from the moment at which it was to start, so a stall counts against all that should have started during it.",
    },
    Scenario {
        key: "overload",
        title: "Overload",
        what: "Executions of ten calls arrive at twice the rate of the cluster's peak. Goodput is the calls per second that succeed before their client's deadline, counted from when they were due; it is not to fall below the peak. What does not fit into the queue is refused at once. The floor would queue until its memory ends, so there is none.",
    },
    Scenario {
        key: "clients",
        title: "Many clients",
        what: "64 clients at once, each with a connection of its own and one execution at a time, of 1 to 50 calls.",
    },
    Scenario {
        key: "workers",
        title: "Number of workers",
        what: "All workers share the cores with the coordinator and the client. For calls that do nothing the figures show what more workers cost; for calls that wait, what they bring.",
    },
    Scenario {
        key: "execution-size",
        title: "Size of an execution",
        what: "The calls of W1 in executions of several sizes: what an execution costs beside its calls.",
    },
    Scenario {
        key: "shapes",
        title: "Shapes of graphs",
        what: "Calls that do nothing, in graphs of several shapes: a chain, diamonds, fan-out and fan-in, and a random graph of 10,000 calls with 30,000 edges. What it takes is the price of the dependencies.",
    },
    Scenario {
        key: "planning",
        title: "Planning",
        what: "Checking a request and finding its waves, over the wire, without running it.",
    },
    Scenario {
        key: "scheduler",
        title: "The scheduler alone",
        what: "All decisions of a call from submission to end, in one process without a network, while many calls are queued. It is to cost the same whatever the length of the queue.",
    },
    Scenario {
        key: "queued-memory",
        title: "Memory of queued calls",
        what: "What a call with 1 KiB of parameters adds to the coordinator's resident memory while it waits.",
    },
    Scenario {
        key: "beside",
        title: "Small calls beside large ones",
        what: "Executions of one call that does nothing, while 16 executions with 1 MiB in and out are in flight all the time on another connection, to the same worker. Small ones come one after another, and at a constant rate.",
    },
    Scenario {
        key: "memory",
        title: "Resident memory",
        what: "Of the processes, after the workload.",
    },
];

pub(super) const HOW: &str = "\
Every scenario is run several times against two systems, and the runs take turns: one of toolwave, one of the floor, and so on. A machine that is shared is faster and slower from minute to minute; of two runs made one after the other both see about the same machine.

- **toolwave** is a coordinator, one worker unless said otherwise, and a client: separate processes, release build, gRPC over loopback, with validation, scheduling, limits and retries as they are by default.
- **The floor** is what the wire allows: a client, a bare relay and an echo server, three processes too, with the same RPC library, the same payloads and the same number of hops. It makes no decision: no schemas, no dependencies, no limits, no retries, nothing kept. A coordinator cannot be faster than it, except by doing the hops better.
- The client of both is the measuring program itself, on a single-threaded runtime. Requests are built before the clock starts.
- All processes of a system share the cores named above.
- A figure is the median of the runs, with the least and the greatest in brackets. **toolwave ÷ floor** is the median of the ratios of neighbouring runs, not the ratio of the two medians.
- Latencies are kept in HdrHistograms. Processor time is what the kernel accounts to the threads of each process, divided by the calls.
- After each scenario the calls submitted, the results received and the calls that the workers ran are compared. Were they not equal, the run would be void and there would be no report.
";

pub(super) const LIMITS: &str = "\
- The machine is a shared virtual one: other guests take time from it, and a figure of another day may differ by tens of per cent. The ratios are steadier than the figures.
- Everything runs over loopback on one machine. A real network adds its own latency and loss, and has less bandwidth.
- Client, coordinator and workers share the same few cores, so each takes time from the others. On machines of their own the coordinator alone would limit.
- There is no TLS and no authentication in any of it.
- `echo` and `sleep` cost nothing. With tools that work, the tools decide.
- In-process peers cross no process boundary and survive no crash of a tool; their figures are no floor for a system that does.
";
