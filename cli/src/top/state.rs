//! What `top` shows and what keys do to it: events in, effects out. Touches neither the terminal nor the network.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use toolwave_client::v1;

use super::{
    rows,
    sight::{Rate, Sight, Wanted},
};
use crate::text;

/// Rows that PageUp and PageDown move by.
const PAGE: usize = 10;

/// The four lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pane {
    Executions,
    Workers,
    Tools,
    Limits,
}

impl Pane {
    pub(crate) const ALL: [Self; 4] = [Self::Executions, Self::Workers, Self::Tools, Self::Limits];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Executions => "Executions",
            Self::Workers => "Workers",
            Self::Tools => "Tools",
            Self::Limits => "Limits",
        }
    }
}

/// What happened.
#[derive(Debug)]
pub(crate) enum Event {
    Key(KeyEvent),
    /// The coordinator answered.
    Seen(Box<Sight>),
    /// It did not, and why.
    Lost(String),
    /// An action came to its end, or to nothing.
    Acted(String),
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Quit,
    /// Ask the coordinator now, rather than with the next tick.
    Look,
    Act(Action),
}

/// What is asked for before it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Cancel(String),
    Drain { worker: String, resume: bool },
}

impl Action {
    pub(crate) fn question(&self) -> String {
        match self {
            Self::Cancel(id) => format!("Cancel execution {}?", text::printable(id)),
            Self::Drain {
                worker,
                resume: false,
            } => format!(
                "Drain worker {}? It takes no new calls; what it runs ends.",
                text::printable(worker)
            ),
            Self::Drain { worker, .. } => {
                format!("Let worker {} take calls again?", text::printable(worker))
            }
        }
    }
}

/// What lies over the lists.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Help,
    Sure(Action),
}

/// One execution, in place of the lists.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) id: String,
    /// Not yet there: asked for.
    pub(crate) execution: Option<v1::GetExecutionResponse>,
    /// The first line that is shown.
    pub(crate) line: usize,
    /// Answers since it was opened.
    looks: u32,
}

/// How a list is ordered, and which row is chosen.
#[derive(Debug, Default)]
struct Order {
    sort: usize,
    reversed: bool,
    /// The row's key: it stays chosen wherever it goes.
    chosen: Option<String>,
}

/// All that is shown.
#[derive(Debug)]
pub(crate) struct Top {
    pub(crate) url: String,
    pub(crate) cluster: v1::GetClusterResponse,
    pub(crate) executions: v1::ListExecutionsResponse,
    pub(crate) workers: Vec<v1::WorkerStatus>,
    pub(crate) rate: Rate,
    /// When the coordinator was last seen, and why it is not now.
    pub(crate) seen_at: Duration,
    pub(crate) lost: Option<String>,
    pub(crate) notice: Option<String>,
    pub(crate) paused: bool,
    pub(crate) ended_too: bool,
    pub(crate) pane: Pane,
    pub(crate) opened: Option<Opened>,
    pub(crate) over: Option<Over>,
    orders: [Order; 4],
}

impl Top {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: text::printable(url),
            cluster: v1::GetClusterResponse::default(),
            executions: v1::ListExecutionsResponse::default(),
            workers: Vec::new(),
            rate: Rate::default(),
            seen_at: Duration::ZERO,
            lost: None,
            notice: None,
            paused: false,
            ended_too: false,
            pane: Pane::Executions,
            opened: None,
            over: None,
            orders: Default::default(),
        }
    }

    /// What is to be asked of the coordinator.
    pub(crate) fn wanted(&self) -> Wanted {
        match &self.opened {
            None => Wanted::Lists {
                ended_too: self.ended_too,
            },
            Some(opened) => Wanted::Opened {
                id: opened.id.clone(),
                known: opened.has_ended() || opened.may_wait(),
            },
        }
    }

    pub(crate) fn sort(&self, pane: Pane) -> &'static str {
        let sorts = rows::sorts(pane);
        sorts[self.orders[pane as usize].sort % sorts.len()]
    }

    pub(crate) fn is_reversed(&self, pane: Pane) -> bool {
        self.orders[pane as usize].reversed
    }

    /// The place of the chosen row; the first where it is gone.
    pub(crate) fn chosen(&self, pane: Pane, rows: &[rows::Row]) -> usize {
        let chosen = self.orders[pane as usize].chosen.as_ref();
        let place = chosen.and_then(|key| rows.iter().position(|row| row.key == *key));
        place.unwrap_or_default()
    }

    pub(crate) fn update(&mut self, event: Event) -> Option<Effect> {
        match event {
            Event::Key(key) => self.key(key),
            Event::Seen(sight) => {
                self.see(*sight);
                None
            }
            Event::Lost(why) => {
                self.lost = Some(why);
                None
            }
            Event::Acted(what) => {
                self.notice = Some(what);
                Some(Effect::Look)
            }
        }
    }

    fn see(&mut self, sight: Sight) {
        self.rate.add(sight.at, &sight.cluster);
        (self.seen_at, self.lost) = (sight.at, None);
        self.cluster = sight.cluster;
        if let Some(executions) = sight.executions {
            self.executions = executions;
        }
        if let Some(workers) = sight.workers {
            self.workers = workers;
        }
        if let Some(opened) = &mut self.opened {
            opened.looks = opened.looks.wrapping_add(1);
        }
        // an answer may come after another was opened
        let id = |execution: &v1::GetExecutionResponse| {
            let status = execution.status.as_ref();
            status.map(|status| status.execution_id.clone())
        };
        if let (Some(opened), Some(execution)) = (&mut self.opened, sight.opened)
            && id(&execution).as_ref() == Some(&opened.id)
        {
            opened.execution = Some(execution);
        }
    }

    fn key(&mut self, key: KeyEvent) -> Option<Effect> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if control && key.code == KeyCode::Char('c') {
            return Some(Effect::Quit);
        }
        match self.over.take() {
            Some(Over::Help) => return None,
            Some(Over::Sure(action)) => return self.answered(action, key.code),
            None => {}
        }
        self.notice = None;
        match key.code {
            KeyCode::Char('q') => return Some(Effect::Quit),
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.over = Some(Over::Help),
            KeyCode::Char('p' | ' ') => {
                self.paused = !self.paused;
                return (!self.paused).then_some(Effect::Look);
            }
            KeyCode::Char('c') => self.over = self.cancel().map(Over::Sure),
            code if self.opened.is_some() => return self.key_of_opened(code),
            code => return self.key_of_lists(code),
        }
        None
    }

    fn answered(&mut self, action: Action, code: KeyCode) -> Option<Effect> {
        match code {
            KeyCode::Char('y' | 'Y') => Some(Effect::Act(action)),
            _ => {
                self.notice = Some("nothing was changed".to_owned());
                None
            }
        }
    }

    fn key_of_lists(&mut self, code: KeyCode) -> Option<Effect> {
        let order = &mut self.orders[self.pane as usize];
        match code {
            KeyCode::Char('s') => order.sort += 1,
            KeyCode::Char('r') => order.reversed = !order.reversed,
            KeyCode::Char('a') => {
                self.ended_too = !self.ended_too;
                return Some(Effect::Look);
            }
            KeyCode::Char('d') => self.over = self.drain().map(Over::Sure),
            KeyCode::Tab | KeyCode::Right => self.turn(1),
            KeyCode::BackTab | KeyCode::Left => self.turn(3),
            KeyCode::Char(digit @ '1'..='4') => self.pane = Pane::ALL[digit as usize - '1' as usize],
            KeyCode::Enter => return self.open(),
            code => self.choose(code),
        }
        None
    }

    fn turn(&mut self, by: usize) {
        self.pane = Pane::ALL[(self.pane as usize + by) % 4];
    }

    fn choose(&mut self, code: KeyCode) {
        let rows = rows::rows(self, self.pane);
        let place = moved(self.chosen(self.pane, &rows), code);
        let Some(place) = place else { return };
        let row = rows.get(place.min(rows.len().saturating_sub(1)));
        self.orders[self.pane as usize].chosen = row.map(|row| row.key.clone());
    }

    fn key_of_opened(&mut self, code: KeyCode) -> Option<Effect> {
        if matches!(code, KeyCode::Esc | KeyCode::Backspace | KeyCode::Left) {
            self.opened = None;
            return Some(Effect::Look);
        }
        if let Some(opened) = &mut self.opened
            && let Some(line) = moved(opened.line, code)
        {
            // as far as there may be lines: a heading, and a row and a wave for each call
            let calls = opened.execution.as_ref().map_or(0, |e| e.calls.len());
            opened.line = line.min(2 * calls + 16);
        }
        None
    }

    /// The chosen row's key, where there is one.
    fn chosen_key(&self, pane: Pane) -> Option<String> {
        let rows = rows::rows(self, pane);
        let chosen = self.chosen(pane, &rows);
        rows.into_iter().nth(chosen).map(|row| row.key)
    }

    fn open(&mut self) -> Option<Effect> {
        if self.pane != Pane::Executions {
            self.notice = Some("only executions can be opened: 1 goes to them".to_owned());
            return None;
        }
        self.opened = Some(Opened {
            id: self.chosen_key(Pane::Executions)?,
            execution: None,
            line: 0,
            looks: 0,
        });
        Some(Effect::Look)
    }

    fn cancel(&mut self) -> Option<Action> {
        let (id, ended) = match &self.opened {
            Some(opened) => (opened.id.clone(), opened.has_ended()),
            None if self.pane == Pane::Executions => {
                let id = self.chosen_key(Pane::Executions)?;
                let mut executions = self.executions.executions.iter();
                let status = executions.find(|status| status.execution_id == id);
                (id, status.is_some_and(|status| status.ended_at.is_some()))
            }
            None => {
                self.notice = Some("only executions can be cancelled: 1 goes to them".to_owned());
                return None;
            }
        };
        if ended {
            self.notice = Some("that execution has ended".to_owned());
            return None;
        }
        Some(Action::Cancel(id))
    }

    fn drain(&mut self) -> Option<Action> {
        if self.pane != Pane::Workers {
            self.notice = Some("only workers can be drained: 2 goes to them".to_owned());
            return None;
        }
        let worker = self.chosen_key(Pane::Workers)?;
        let mut workers = self.workers.iter();
        let resume = workers.any(|status| status.worker == worker && status.draining);
        Some(Action::Drain { worker, resume })
    }
}

impl Opened {
    fn has_ended(&self) -> bool {
        let execution = self.execution.as_ref();
        let status = execution.and_then(|execution| execution.status.as_ref());
        status.is_some_and(|status| status.ended_at.is_some())
    }

    /// A large one is no small message: each fifth look asks for it again.
    fn may_wait(&self) -> bool {
        const LARGE: usize = 1_000;
        let large = self.execution.as_ref().is_some_and(|e| e.calls.len() > LARGE);
        large && !self.looks.is_multiple_of(5)
    }
}

/// Where a key moves to from a place; beyond the end is the caller's to bound.
fn moved(place: usize, code: KeyCode) -> Option<usize> {
    Some(match code {
        KeyCode::Up | KeyCode::Char('k') => place.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => place + 1,
        KeyCode::PageUp => place.saturating_sub(PAGE),
        KeyCode::PageDown => place + PAGE,
        KeyCode::Home | KeyCode::Char('g') => 0,
        KeyCode::End | KeyCode::Char('G') => usize::MAX,
        _ => return None,
    })
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
