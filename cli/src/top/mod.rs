//! `toolwave top`: a cluster at work, on the whole terminal or once as text. Here are the terminal and the loop; what is
//! shown is in `state`, how in `view`.

mod head;
mod rows;
#[cfg(test)]
mod sample;
mod sight;
mod snapshot;
mod state;
mod view;

use std::{
    io,
    time::{Duration, Instant},
};

use clap::Args;
use crossterm::event::{Event as TerminalEvent, EventStream, KeyEventKind};
use futures_util::{
    FutureExt as _, StreamExt as _,
    future::{BoxFuture, OptionFuture},
};
use ratatui::DefaultTerminal;
use tokio::time::MissedTickBehavior;
use toolwave_client::Client;

use crate::{
    args::RemoteArgs,
    cluster,
    failure::{Failure, Verdict},
    glyphs::Glyphs,
    interrupt::Interrupts,
    output,
    plan::parse_duration,
};
use sight::{Sight, Wanted, look};
use state::{Action, Effect, Event, Top};

/// A coordinator that takes longer is as good as gone; it is asked again.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// Prints what there is once, as text, and ends
    #[arg(long)]
    pub(crate) once: bool,
    /// How long between two looks at the cluster
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = interval)]
    pub(crate) interval: Duration,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

/// Looking more often would be load without news.
fn interval(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        short if short < Duration::from_millis(200) => {
            Err(format!("`{text}` is too short; expected 200ms or more"))
        }
        interval => Ok(interval),
    }
}

pub(crate) async fn top(args: TopArgs) -> Result<Verdict, Failure> {
    let url = &args.remote.coordinator;
    let started = Instant::now();
    let mut top = Top::new(url);
    let first = async {
        let client = cluster::connect(url, &args.remote.link).await?;
        let sight = look(&client, &top.wanted(), started).await?;
        Ok((client, sight))
    };
    // What is wrong from the start is told as by every other command, before the screen is taken.
    let (client, sight) = cluster::within(url, first).await?;
    top.update(Event::Seen(Box::new(sight)));
    if let Some(why) = why_not_live(args.once) {
        output::write(&snapshot::text(&top))?;
        output::note(why);
        return Ok(Verdict::Success);
    }
    if args.once {
        output::write(&snapshot::text(&top))?;
        return Ok(Verdict::Success);
    }
    live(top, &client, args.interval, started).await
}

/// Whoever asked for once knows why.
fn why_not_live(once: bool) -> Option<&'static str> {
    use std::io::IsTerminal as _;
    if once {
        return None;
    }
    if !output::is_terminal() || !io::stdin().is_terminal() {
        return Some(
            "note: this is one look, since there is no terminal to draw on; --once asks for it without this note",
        );
    }
    if std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb") {
        return Some(
            "note: this is one look, since TERM names no terminal that can be drawn on; --once asks for it without this note",
        );
    }
    None
}

/// The terminal while it is taken; given back however this ends. A panic gives it back before it is told.
struct Screen(DefaultTerminal);

impl Screen {
    fn take() -> Result<Self, Failure> {
        ratatui::try_init().map(Self).map_err(Failure::Output)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The hook for panics has done it, and twice would put the cursor back onto what was told.
        if !std::thread::panicking() {
            // a terminal that has gone away takes nothing back
            let _ = ratatui::try_restore();
        }
    }
}

async fn live(
    mut top: Top,
    client: &Client,
    interval: Duration,
    started: Instant,
) -> Result<Verdict, Failure> {
    let look_of = view::Look {
        glyphs: Glyphs::of_environment(),
        colour: output::colour_wanted(),
    };
    let mut interrupts = Interrupts::listen().map_err(|error| Failure::Other(error.to_string()))?;
    let mut hangup = hangup().map_err(|error| Failure::Other(error.to_string()))?;
    let mut screen = Screen::take()?;
    let mut keys = EventStream::new();
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looking: OptionFuture<BoxFuture<'_, Event>> = None.into();
    let mut acting: OptionFuture<BoxFuture<'_, Event>> = None.into();
    let (mut is_looking, mut is_acting) = (false, false);
    loop {
        let draw = |frame: &mut ratatui::Frame<'_>| view::draw(frame, &top, look_of, started.elapsed());
        screen.0.draw(draw).map_err(Failure::Output)?;
        let effect = tokio::select! {
            key = keys.next() => match key {
                Some(Ok(TerminalEvent::Key(key))) if key.kind != KeyEventKind::Release => top.update(Event::Key(key)),
                // a new size, among others: draw again
                Some(Ok(_)) => None,
                Some(Err(error)) => return Err(Failure::Output(error)),
                None => Some(Effect::Quit),
            },
            _ = ticks.tick() => (!top.paused).then_some(Effect::Look),
            Some(event) = &mut looking => {
                (is_looking, looking) = (false, None.into());
                top.update(event)
            }
            Some(event) = &mut acting => {
                (is_acting, acting) = (false, None.into());
                top.update(event)
            }
            () = interrupts.next() => Some(Effect::Quit),
            () = hangup.next() => Some(Effect::Quit),
        };
        match effect {
            Some(Effect::Quit) => return Ok(Verdict::Success),
            // one question at a time, however slow the answers
            Some(Effect::Look) if !is_looking => {
                is_looking = true;
                looking = Some(seen(client, top.wanted(), started).boxed()).into();
            }
            // to forget the one before would leave open what came of it
            Some(Effect::Act(_)) if is_acting => {
                top.notice = Some("what was asked for before is still being done; try again".to_owned());
            }
            Some(Effect::Act(action)) => {
                is_acting = true;
                acting = Some(acted(client, action).boxed()).into();
            }
            Some(Effect::Look) | None => {}
        }
    }
}

async fn seen(client: &Client, wanted: Wanted, started: Instant) -> Event {
    let sight: Result<Result<Sight, Failure>, _> =
        tokio::time::timeout(PATIENCE, look(client, &wanted, started)).await;
    match sight {
        Ok(Ok(sight)) => Event::Seen(Box::new(sight)),
        Ok(Err(failure)) => Event::Lost(first_line(&failure)),
        Err(_) => Event::Lost(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

/// Hints are for shells.
fn first_line(failure: &Failure) -> String {
    let told = failure.to_string();
    let line = told.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

async fn acted(client: &Client, action: Action) -> Event {
    let act = async {
        Ok(match &action {
            Action::Cancel(id) => match client.cancel_any_execution(id).await?.already_ended {
                true => format!("{id} had ended before; nothing changed"),
                false => format!("{id} is cancelled"),
            },
            Action::Drain { worker, resume } => {
                let in_flight = client.drain_worker(worker, *resume).await?.in_flight;
                match resume {
                    true => format!("{worker} takes calls again"),
                    false => {
                        format!("{worker} takes no new calls; {in_flight} in flight there go on to their end")
                    }
                }
            }
        })
    };
    Event::Acted(match tokio::time::timeout(PATIENCE, act).await {
        Ok(Ok(done)) => crate::text::printable(&done),
        Ok(Err(failure)) => first_line(&failure),
        Err(_) => format!("no answer within {} s: it may have been done", PATIENCE.as_secs()),
    })
}

/// The terminal was closed.
struct Hangup(#[cfg(unix)] tokio::signal::unix::Signal);

fn hangup() -> io::Result<Hangup> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::hangup()).map(Hangup)
    }
    #[cfg(not(unix))]
    Ok(Hangup())
}

impl Hangup {
    async fn next(&mut self) {
        #[cfg(unix)]
        self.0.recv().await;
        #[cfg(not(unix))]
        std::future::pending::<()>().await;
    }
}
