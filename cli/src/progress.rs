//! The live view on standard error: a bar for each wave on a terminal, a line for each event elsewhere.

use std::io::IsTerminal as _;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use toolwave_client::v1::{self, execution_event::Kind};

use crate::{moment, output, text, words};

/// More bars than this do not fit on a screen: one for all then.
const MOST_BARS: usize = 12;
/// Names of running calls that a bar shows.
const SHOWN_CALLS: usize = 4;

/// Follows one execution.
pub(crate) struct Progress {
    names: Vec<String>,
    started_at: Option<prost_types::Timestamp>,
    view: View,
}

enum View {
    Bars(Bars),
    Lines,
}

/// The bar of a call is `bars[bar_of[call]]`.
struct Bars {
    screen: MultiProgress,
    bars: Vec<Bar>,
    bar_of: Vec<usize>,
}

struct Bar {
    bar: ProgressBar,
    running: Vec<usize>,
}

impl Progress {
    pub(crate) fn of_stderr(calls: &[v1::Call]) -> Self {
        let name = |(index, call): (usize, &v1::Call)| {
            text::printable(&call.id.clone().unwrap_or_else(|| index.to_string()))
        };
        let names = calls.iter().enumerate().map(name).collect();
        let view = match std::io::stderr().is_terminal() {
            true => View::Bars(Bars {
                screen: MultiProgress::new(),
                bars: Vec::new(),
                bar_of: Vec::new(),
            }),
            false => View::Lines,
        };
        Self {
            names,
            started_at: None,
            view,
        }
    }

    /// Shows one event.
    pub(crate) fn show(&mut self, event: &v1::ExecutionEvent) {
        let Some(kind) = &event.kind else { return };
        match &mut self.view {
            View::Bars(bars) => bars.show(kind, &self.names),
            View::Lines => {
                self.started_at = self.started_at.or(event.at);
                let since = moment::elapsed(self.started_at.as_ref(), event.at.as_ref());
                if let Some(line) = line(kind, &self.names) {
                    output::note(&format!("{:>8.3}s  {line}", since.as_secs_f64()));
                }
            }
        }
    }

    /// Says something beside the events.
    pub(crate) fn note(&self, what: &str) {
        match &self.view {
            View::Bars(bars) => bars.screen.suspend(|| output::note(what)),
            View::Lines => output::note(what),
        }
    }

    /// Leaves the terminal as it was: the report says all of it again.
    pub(crate) fn finish(&mut self) {
        if let View::Bars(bars) = &self.view {
            // A terminal that cannot be cleared keeps its bars, which harms nobody.
            let _ = bars.screen.clear();
        }
    }
}

impl Bars {
    fn show(&mut self, kind: &Kind, names: &[String]) {
        match kind {
            Kind::Planned(planned) => self.plan(&planned.waves, names.len()),
            Kind::Started(started) => self.running(started.call_index, names, |running, call| {
                if !running.contains(&call) {
                    running.push(call);
                }
            }),
            Kind::Retried(retried) => {
                self.running(retried.call_index, names, |running, call| {
                    running.retain(|&other| other != call);
                });
            }
            Kind::Result(ended) => {
                self.running(ended.call_index, names, |running, call| {
                    running.retain(|&other| other != call);
                });
                if let Some(&bar) = self.bar_of.get(ended.call_index as usize) {
                    self.bars[bar].bar.inc(1);
                }
            }
            Kind::Progress(_) | Kind::Summary(_) => {}
        }
    }

    fn plan(&mut self, waves: &[v1::Wave], calls: usize) {
        self.bar_of = vec![0; calls];
        let style = ProgressStyle::with_template("{prefix} [{bar:24}] {pos:>4}/{len:<4} {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let mut add = |prefix: String, length: usize| {
            let bar = self
                .screen
                .add(ProgressBar::new(length as u64).with_style(style.clone()));
            bar.set_prefix(prefix);
            self.bars.push(Bar {
                bar,
                running: Vec::new(),
            });
        };
        if waves.len() > MOST_BARS {
            add(text::counted(waves.len(), "wave"), calls);
            return;
        }
        for (number, wave) in waves.iter().enumerate() {
            add(format!("wave {number:<2}"), wave.calls.len());
            for &call in &wave.calls {
                if let Some(bar) = self.bar_of.get_mut(call as usize) {
                    *bar = number;
                }
            }
        }
    }

    fn running(&mut self, call: u32, names: &[String], change: impl FnOnce(&mut Vec<usize>, usize)) {
        let Some(bar) = self
            .bar_of
            .get(call as usize)
            .and_then(|&bar| self.bars.get_mut(bar))
        else {
            return;
        };
        change(&mut bar.running, call as usize);
        let shown: Vec<&str> = bar
            .running
            .iter()
            .take(SHOWN_CALLS)
            .filter_map(|&call| names.get(call).map(String::as_str))
            .collect();
        let more = match bar.running.len().saturating_sub(SHOWN_CALLS) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        bar.bar.set_message(format!("{}{more}", shown.join(", ")));
    }
}

fn line(kind: &Kind, names: &[String]) -> Option<String> {
    let name = |index: u32| names.get(index as usize).map_or("?", String::as_str);
    Some(match kind {
        Kind::Planned(planned) => {
            let calls = text::counted(names.len(), "call");
            let waves = text::counted(planned.waves.len(), "wave");
            format!(
                "planned    {calls} in {waves}, execution {}",
                text::printable(&planned.execution_id)
            )
        }
        Kind::Started(started) => {
            let attempt = if started.attempt > 1 {
                format!(", attempt {}", started.attempt)
            } else {
                String::new()
            };
            format!(
                "started    {} on {}{attempt}",
                name(started.call_index),
                text::printable(&started.worker)
            )
        }
        Kind::Progress(progress) => {
            let percent = progress
                .fraction
                .map(|fraction| format!(" {:.0}%", fraction * 100.0));
            let message = text::clipped(&text::printable(&progress.message), 100);
            format!(
                "progress   {}{} {message}",
                name(progress.call_index),
                percent.unwrap_or_default()
            )
        }
        Kind::Retried(retried) => {
            let failure = retried
                .failure
                .as_ref()
                .map(|failure| failure.code.as_str())
                .unwrap_or_default();
            let backoff = retried
                .backoff
                .as_ref()
                .map(toolwave_client::duration)
                .unwrap_or_default();
            let (name, failure) = (name(retried.call_index), text::printable(failure));
            format!(
                "retried    {name} after {failure}, in {}",
                text::duration(backoff)
            )
        }
        Kind::Result(ended) => {
            let result = ended.result.as_ref()?;
            let outcome = words::outcome(result.outcome());
            let code = result
                .error
                .as_ref()
                .and_then(|error| words::code_beside(outcome, error))
                .map(|code| format!(": {}", text::printable(code)));
            let outcome = outcome.to_lowercase();
            format!(
                "{outcome:<10} {}{}",
                name(ended.call_index),
                code.unwrap_or_default()
            )
        }
        Kind::Summary(_) => return None,
    })
}
