//! `sosia top`: a running system, live.

mod rates;
mod view;

use crate::args::TopArgs;
use crate::manage::Client;
use manage::Command;
use miette::{IntoDiagnostic, Result, bail};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::io::IsTerminal;
use std::time::{Duration, Instant};
use view::View;

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Quit,
    Command(Command),
}

/// Watches a running system until `q`.
pub fn run(args: &TopArgs) -> Result<u8> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        bail!(help = "`sosia ps` prints a table once, `sosia ps --json` for programs", "top needs a terminal");
    }
    let mut client = Client::open(args.run.name.as_deref())?;
    let mut view = View::new(client.name.clone(), client.snapshot()?);
    let mut terminal = ratatui::init();
    let ended = watch(&mut terminal, &mut client, &mut view, Duration::from_secs(args.interval));
    ratatui::restore();
    ended.map(|()| 0)
}

fn watch(
    terminal: &mut ratatui::DefaultTerminal,
    client: &mut Client,
    view: &mut View,
    interval: Duration,
) -> Result<()> {
    let mut due = Instant::now();
    loop {
        if Instant::now() >= due {
            if !view.is_paused() {
                view.update(client.snapshot()?);
            }
            due = Instant::now() + interval;
        }
        terminal.draw(|frame| view.draw(frame)).into_diagnostic()?;
        if !event::poll(due.saturating_duration_since(Instant::now())).into_diagnostic()? {
            continue;
        }
        let Event::Key(key) = event::read().into_diagnostic()? else { continue };
        match on_key(key, view) {
            Some(Action::Quit) => return Ok(()),
            Some(Action::Command(command)) => {
                let vm = view.selected();
                let refused = client.command(vm, command)?;
                view.tell(refused.map_or_else(|| "done".into(), ToString::to_string));
                due = Instant::now();
            }
            None => {}
        }
    }
}

/// Takes a key. A command is given only after a second key has confirmed it.
fn on_key(key: KeyEvent, view: &mut View) -> Option<Action> {
    if key.kind != KeyEventKind::Press {
        return None;
    }
    if let Some(command) = view.asked.take() {
        return (key.code == KeyCode::Char('y')).then_some(Action::Command(command));
    }
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => return Some(Action::Quit),
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Some(Action::Quit),
        KeyCode::Up | KeyCode::Char('k') => view.select(-1),
        KeyCode::Down | KeyCode::Char('j') => view.select(1),
        KeyCode::Char('p') => view.pause(),
        KeyCode::Char('r') => view.asked = Some(Command::Restart),
        KeyCode::Char('s') => view.asked = Some(Command::Stop),
        KeyCode::Char('b') => view.asked = Some(Command::Start),
        _ => {}
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manage::example;

    fn press(view: &mut View, code: char) -> Option<Action> {
        on_key(KeyEvent::new(KeyCode::Char(code), KeyModifiers::NONE), view)
    }

    #[test]
    fn command_is_given_after_yes_only() {
        let mut view = View::new("x".into(), example());

        assert_eq!(press(&mut view, 'r'), None);
        assert_eq!(press(&mut view, 'n'), None);
        assert_eq!(press(&mut view, 'y'), None);
        assert_eq!(press(&mut view, 's'), None);
        assert_eq!(press(&mut view, 'y'), Some(Action::Command(Command::Stop)));
    }

    #[test]
    fn selection_stays_inside() {
        let mut view = View::new("x".into(), example());
        press(&mut view, 'k');
        assert_eq!(view.selected(), 0);
        (0..5).for_each(|_| assert_eq!(press(&mut view, 'j'), None));
        assert_eq!(view.selected(), 1);
    }

    #[test]
    fn q_ends() {
        assert_eq!(press(&mut View::new("x".into(), example()), 'q'), Some(Action::Quit));
    }
}
