//! What holds of what was written alone, whatever any client was told.

use std::collections::HashMap;

use super::{Breach, History, Kind, Line, Written};

/// Each attempt runs once; a call that is not safe to repeat has its effect once.
pub(super) fn check(history: &History, found: &mut Vec<Breach>) {
    for ((execution, call), attempts) in &history.calls {
        let call = format!("{execution}/{call}");
        for (attempt, written) in attempts {
            check_attempt(&call, *attempt, written, found);
        }
        let mut effects: Vec<u32> = attempts
            .iter()
            .filter(|(_, written)| !written.repeatable && written.may_have_had_effect())
            .map(|(attempt, _)| *attempt)
            .collect();
        if effects.len() > 1 {
            effects.sort_unstable();
            found.push(Breach::RanTwice {
                call,
                attempts: effects,
            });
        }
    }
}

fn check_attempt(call: &str, attempt: u32, written: &Written, found: &mut Vec<Breach>) {
    let (starts, ends) = (written.starts.len(), written.ends.len());
    let call = call.to_owned();
    if starts > 1 {
        found.push(Breach::AttemptRanTwice {
            call,
            attempt,
            times: starts,
        });
    } else if ends > starts {
        found.push(Breach::EndsWithoutStarts {
            call,
            attempt,
            ends,
            starts,
        });
    }
}

/// No process runs more at once than its worker has slots.
pub(super) fn check_slots(lines: &[Line], slots: &HashMap<String, usize>, found: &mut Vec<Breach>) {
    let mut running: HashMap<(&str, u32), (usize, usize)> = HashMap::new();
    for line in lines {
        let (now, most) = running.entry((&line.worker, line.pid)).or_default();
        match line.kind {
            Kind::Start => *now += 1,
            _ => *now = now.saturating_sub(1),
        }
        *most = (*most).max(*now);
    }
    for ((worker, _), (_, most)) in running {
        if let Some(&slots) = slots.get(worker)
            && most > slots
        {
            found.push(Breach::MoreThanSlots {
                worker: worker.to_owned(),
                running: most,
                slots,
            });
        }
    }
}
