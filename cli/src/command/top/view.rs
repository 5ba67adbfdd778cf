//! The table of `sosia top`.

use super::rates::{Rates, rates};
use crate::manage::{Snapshot, VmState, budget, cause, state};
use manage::{Command, State, VcpuInfo};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table};
use sysdesc::stats::kind;

/// Kinds of exits with a column of their own.
const KINDS: [usize; 6] = [kind::MMIO, kind::SYSREG, kind::SGI, kind::CALL, kind::KICK, kind::INJECTED];

/// What is shown.
pub struct View {
    name: String,
    old: Snapshot,
    new: Snapshot,
    selected: usize,
    paused: bool,
    told: String,
    /// A command that waits for a yes.
    pub asked: Option<Command>,
}

impl View {
    /// Of a first look.
    pub fn new(name: String, first: Snapshot) -> Self {
        let told = String::new();
        Self { name, old: first.clone(), new: first, selected: 0, paused: false, told, asked: None }
    }

    /// The next look.
    pub fn update(&mut self, next: Snapshot) {
        self.old = std::mem::replace(&mut self.new, next);
    }

    /// Whether looks are to wait.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Stops looking, or goes on.
    pub fn pause(&mut self) {
        self.paused = !self.paused;
    }

    /// Number of the VM that commands go to.
    pub fn selected(&self) -> u8 {
        self.selected as u8
    }

    /// Moves the selection.
    pub fn select(&mut self, by: isize) {
        self.selected = self.selected.saturating_add_signed(by).min(self.new.vms.len().saturating_sub(1));
    }

    /// Shows a message below the table.
    pub fn tell(&mut self, message: String) {
        self.told = message;
    }

    /// Draws all of it.
    pub fn draw(&self, frame: &mut Frame) {
        let rows = [Constraint::Length(2), Constraint::Min(3), Constraint::Length(2)];
        let [head, body, foot] = Layout::vertical(rows).areas(frame.area());
        frame.render_widget(Paragraph::new(self.head()), head);
        frame.render_widget(self.table(body.height), body);
        frame.render_widget(Paragraph::new(self.foot()), foot);
    }

    fn head(&self) -> Vec<Line<'_>> {
        let (hello, counters) = (&self.new.hello, &self.new.counters);
        let up = self.new.seconds(hello.now);
        let mut cores = vec![Span::raw("cores")];
        for core in 0..hello.cores {
            cores.push(Span::raw(format!("   {core}: {:5.1} %", self.core_load(core))));
        }
        vec![
            Line::from(format!(
                "{}   up {up:.0} s   {} VMs   free memory {} MiB   kernel objects {}{}",
                self.name,
                hello.vms,
                counters.memory_free >> 8,
                counters.objects,
                if self.paused { "   PAUSED" } else { "" }
            ))
            .bold(),
            Line::from(cores),
        ]
    }

    /// Percent of a core that vCPUs took.
    fn core_load(&self, core: u8) -> f64 {
        let all = self.vcpus().filter(|(.., vcpu, _)| vcpu.core == core);
        all.map(|(.., rates)| rates.run).sum::<f64>().min(100.0)
    }

    /// VM, its number, number of the vCPU, vCPU, rates.
    fn vcpus(&self) -> impl Iterator<Item = (&VmState, usize, usize, &VcpuInfo, Rates)> {
        self.new.vms.iter().enumerate().flat_map(move |(number, vm)| {
            let rates = move |index| rates(&self.old, &self.new, number, index);
            vm.vcpus.iter().enumerate().map(move |(index, vcpu)| (vm, number, index, vcpu, rates(index)))
        })
    }

    fn table(&self, height: u16) -> Table<'_> {
        let rows: Vec<Row> =
            self.vcpus().map(|(vm, number, index, vcpu, rates)| self.row(vm, number, index, vcpu, &rates)).collect();
        // The selected VM stays in sight.
        let room = usize::from(height.saturating_sub(1)).max(1);
        let end = self.vcpus().filter(|(_, number, ..)| *number <= self.selected).count();
        let rows = rows.into_iter().skip(end.saturating_sub(room));
        let mut names = vec!["VM", "state", "vCPU", "core", "prio", "budget", "run %", "stolen %", "exits/s"];
        names.extend(KINDS.map(|kind| kind::NAMES.get(kind).copied().unwrap_or("?")));
        names.push("restarts");
        let mut widths: Vec<Constraint> = [16, 10, 4, 4, 4, 11, 6, 8, 9].map(Constraint::Length).into();
        widths.extend(KINDS.map(|_| Constraint::Length(8)));
        widths.push(Constraint::Length(8));
        Table::new(rows, widths).header(Row::new(names.into_iter().map(Cell::from)).style(Style::new().reversed()))
    }

    fn row(&self, vm: &VmState, number: usize, index: usize, vcpu: &VcpuInfo, rates: &Rates) -> Row<'static> {
        let of_vm = |text: String| if index == 0 { text } else { String::new() };
        let mut cells = vec![
            of_vm(vm.name()),
            of_vm(state(vm.info.state).into()),
            index.to_string(),
            vcpu.core.to_string(),
            vcpu.priority.to_string(),
            budget(vcpu),
            format!("{:6.1}", rates.run),
            format!("{:8.1}", rates.stolen),
            format!("{:9.0}", rates.exits),
        ];
        cells.extend(KINDS.map(|kind| format!("{:8.0}", rates.counts.get(kind).copied().unwrap_or(0.0))));
        cells.push(of_vm(format!("{:8}", vm.info.restarts)));
        let color = match vm.info.state {
            State::Running => Color::Reset,
            State::Waiting => Color::Yellow,
            State::Stopped => Color::DarkGray,
            State::Broken => Color::Red,
        };
        let style = Style::new().fg(color);
        Row::new(cells.into_iter().map(Cell::from)).style(if number == self.selected { style.bold() } else { style })
    }

    fn foot(&self) -> Vec<Line<'_>> {
        let vm = self.new.vms.get(self.selected);
        let name = vm.map(VmState::name).unwrap_or_default();
        let first = match (self.asked, vm.and_then(|vm| vm.info.last)) {
            (Some(command), _) => Line::from(format!("{} VM {name}? y/n", verb(command))).bold(),
            (None, Some(stop)) => Line::from(format!("{name}: last stop: {}   {}", cause(stop.cause), self.told)),
            (None, None) => Line::from(format!("{name}   {}", self.told)),
        };
        vec![first, Line::from("q quit   up/down choose a VM   r restart   s stop   b start   p pause").dim()]
    }
}

fn verb(command: Command) -> &'static str {
    match command {
        Command::Start => "start",
        Command::Stop => "stop",
        Command::Restart => "restart",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manage::example;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn drawn(view: &View, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| view.draw(frame)).unwrap();
        let buffer = terminal.backend().buffer();
        let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_string();
        (0..height).map(line).collect()
    }

    fn later() -> View {
        let mut view = View::new("default".into(), example());
        let mut next = example();
        let vcpu = &mut next.vms[0].vcpus[1];
        (vcpu.now, vcpu.run) = (vcpu.now + 1_000_000, vcpu.run + 420_000);
        vcpu.counts[kind::MMIO] += 77;
        view.update(next);
        view
    }

    #[test]
    fn table_shows_rates_of_each_vcpu() {
        let lines = drawn(&later(), 150, 9);

        assert!(
            lines[0].starts_with("default   up 10 s   2 VMs   free memory 2 MiB   kernel objects 40"),
            "{lines:#?}"
        );
        assert_eq!(lines[1], "cores   0:   0.0 %   1:  42.0 %");
        assert!(lines[2].starts_with("VM               state      vCPU core prio budget"), "{lines:#?}");
        assert!(lines[3].starts_with("linux            running    0    0    10   -"), "{lines:#?}");
        assert!(lines[4].contains("42.0      0.0        77       77        0"), "{lines:#?}");
        assert!(lines[5].starts_with("rtos             stopped    0    1    20   5ms/10ms"), "{lines:#?}");
        assert!(lines[7].starts_with("linux: last stop: fault of its VMM"), "{lines:#?}");
        assert!(lines[8].starts_with("q quit"), "{lines:#?}");
    }

    #[test]
    fn selected_vm_is_in_sight_on_a_small_terminal() {
        let mut view = later();
        view.select(1);

        let lines = drawn(&view, 80, 7);

        assert!(lines.iter().any(|line| line.starts_with("rtos")), "{lines:#?}");
        assert!(lines[5].starts_with("rtos: last stop: powered off"), "{lines:#?}");
    }

    #[test]
    fn command_asks_first() {
        let mut view = later();
        view.asked = Some(Command::Restart);

        assert_eq!(drawn(&view, 80, 9)[7], "restart VM linux? y/n");
    }

    #[test]
    fn tiny_terminal_is_no_trouble() {
        drawn(&later(), 1, 1);
        drawn(&later(), 20, 4);
    }
}
