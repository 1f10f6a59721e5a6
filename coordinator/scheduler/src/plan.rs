//! The dependency graph of an execution, checked and split into waves. Built once at the edge, linear in calls and edges.

/// Why one call waits for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Need {
    /// It must succeed first (reference or `depends_on`).
    Success,
    /// It must end first (effect order).
    End,
}

/// `to` waits for `from`. Indices into the request's calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Edge {
    /// The call that is waited for.
    pub from: u32,
    /// The call that waits.
    pub to: u32,
    /// What for.
    pub need: Need,
}

/// A graph without cycles, its waves, and each call's dependents.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Wave of each call, by index.
    waves: Vec<u32>,
    /// Number of waves.
    wave_count: u32,
    /// Distinct dependencies of each call.
    dependencies: Vec<u32>,
    /// `dependents[first[i]..first[i + 1]]` are the calls that wait for call `i`.
    first: Vec<u32>,
    dependents: Vec<Dependent>,
}

/// A call that waits, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dependent {
    /// Its index.
    pub call: u32,
    /// What it waits for.
    pub need: Need,
}

/// A cycle: each of these calls waits for the one before it, and the first for the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle(pub Vec<u32>);

impl Plan {
    /// Orders `calls` calls under `edges`. Duplicate edges count once (`Success` wins over `End`).
    ///
    /// # Errors
    /// A shortest cycle through one of the calls that can never start.
    ///
    /// # Panics
    /// When an edge names a call that is not there: the edge layer checks ids first.
    pub fn new(calls: u32, edges: &[Edge]) -> Result<Self, Cycle> {
        let n = calls as usize;
        let mut sorted: Vec<Edge> = edges.to_vec();
        sorted.sort_unstable();
        sorted.dedup_by(|b, a| a.from == b.from && a.to == b.to);
        let mut dependencies = vec![0u32; n];
        let mut first = vec![0u32; n + 1];
        for edge in &sorted {
            assert!(
                edge.from < calls && edge.to < calls,
                "an edge names a call that is not there"
            );
            dependencies[edge.to as usize] += 1;
            first[edge.from as usize + 1] += 1;
        }
        for i in 0..n {
            first[i + 1] += first[i];
        }
        let dependents: Vec<Dependent> = sorted
            .iter()
            .map(|edge| Dependent {
                call: edge.to,
                need: edge.need,
            })
            .collect();
        let mut plan = Self {
            waves: vec![0; n],
            wave_count: 0,
            dependencies,
            first,
            dependents,
        };
        plan.layer()?;
        Ok(plan)
    }

    /// Kahn's algorithm; a call's wave is one more than the last of its dependencies' waves.
    fn layer(&mut self) -> Result<(), Cycle> {
        let mut open = self.dependencies.clone();
        let mut queue: Vec<u32> = (0..self.len()).filter(|&call| open[call as usize] == 0).collect();
        let mut next = 0;
        while next < queue.len() {
            let call = queue[next];
            next += 1;
            let wave = self.waves[call as usize];
            self.wave_count = self.wave_count.max(wave + 1);
            for at in self.first[call as usize]..self.first[call as usize + 1] {
                let dependent = self.dependents[at as usize].call as usize;
                self.waves[dependent] = self.waves[dependent].max(wave + 1);
                open[dependent] -= 1;
                if open[dependent] == 0 {
                    queue.push(dependent as u32);
                }
            }
        }
        if queue.len() == self.waves.len() {
            Ok(())
        } else {
            Err(self.cycle(&open))
        }
    }

    /// Every call left open waits for another that is; the shortest way back to the first such call on a
    /// cycle, found by breadth-first search.
    fn cycle(&self, open: &[u32]) -> Cycle {
        // Walk backwards among open calls: n steps end inside a cycle.
        let mut before = vec![u32::MAX; open.len()];
        for call in (0..self.len()).filter(|&call| open[call as usize] > 0) {
            for dependent in self.dependents(call) {
                before[dependent.call as usize] = call;
            }
        }
        let mut start = (0..self.len()).find(|&call| open[call as usize] > 0).unwrap_or(0);
        for _ in 0..open.len() {
            start = before[start as usize];
        }
        let mut came_from = vec![u32::MAX; open.len()];
        let mut queue = vec![start];
        let mut next = 0;
        while next < queue.len() {
            let call = queue[next];
            next += 1;
            for dependent in self.dependents(call) {
                if dependent.call == start {
                    let mut cycle = vec![call];
                    while *cycle.last().unwrap_or(&start) != start {
                        cycle.push(came_from[cycle[cycle.len() - 1] as usize]);
                    }
                    cycle.reverse();
                    return Cycle(cycle);
                }
                if came_from[dependent.call as usize] == u32::MAX && open[dependent.call as usize] > 0 {
                    came_from[dependent.call as usize] = call;
                    queue.push(dependent.call);
                }
            }
        }
        Cycle(vec![start])
    }

    /// Number of calls.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.waves.len() as u32
    }

    /// True without calls.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waves.is_empty()
    }

    /// Number of waves.
    #[must_use]
    pub fn wave_count(&self) -> u32 {
        self.wave_count
    }

    /// The wave of a call: 0 when it depends on nothing.
    #[must_use]
    pub fn wave(&self, call: u32) -> u32 {
        self.waves[call as usize]
    }

    /// How many calls it waits for.
    #[must_use]
    pub fn dependency_count(&self, call: u32) -> u32 {
        self.dependencies[call as usize]
    }

    /// The calls that wait for it.
    #[must_use]
    pub fn dependents(&self, call: u32) -> &[Dependent] {
        &self.dependents[self.first[call as usize] as usize..self.first[call as usize + 1] as usize]
    }

    /// Bytes that it holds elsewhere.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let numbers = self.waves.capacity() + self.dependencies.capacity() + self.first.capacity();
        numbers * size_of::<u32>() + self.dependents.capacity() * size_of::<Dependent>()
    }

    /// The calls of each wave, in request order.
    #[must_use]
    pub fn waves(&self) -> Vec<Vec<u32>> {
        let mut waves = vec![Vec::new(); self.wave_count as usize];
        for (call, &wave) in self.waves.iter().enumerate() {
            waves[wave as usize].push(call as u32);
        }
        waves
    }
}
