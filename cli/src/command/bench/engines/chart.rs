//! The rows as bars, in an SVG file: how many times the instructions of the hardware engine, on a logarithmic scale.

use super::{ENGINES, Row};
use std::fmt::Write as _;

const BAR: f64 = 9.0;
const GAP: f64 = 12.0;
const LEFT: f64 = 130.0;
/// Width of a factor of ten.
const DECADE: f64 = 130.0;
const TOP: f64 = 48.0;
const COLOURS: [&str; ENGINES.len()] = ["#4c566a", "#2a6f97", "#e07a1f", "#6a994e", "#a4133c"];

/// Draws them.
pub fn draw(rows: &[Row]) -> String {
    let group = BAR * ENGINES.len() as f64 + GAP;
    let height = TOP + group * rows.len() as f64 + 10.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"760\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"16\">Instructions per operation, as a multiple of the hardware engine's (logarithmic)</text>\n"
    );
    for (n, ((name, _), colour)) in ENGINES.iter().zip(COLOURS).enumerate() {
        let x = 10.0 + 110.0 * n as f64;
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"24\" width=\"10\" height=\"10\" fill=\"{colour}\"/><text x=\"{}\" y=\"33\">{name}</text>",
            x + 14.0
        );
    }
    for (n, row) in rows.iter().enumerate() {
        bars(&mut out, row, TOP + group * n as f64);
    }
    out + "</svg>\n"
}

fn bars(out: &mut String, row: &Row, top: f64) {
    let _ = writeln!(out, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", LEFT - 6.0, top + 28.0, row.row);
    let Some(base) = row.engines.get("hardware").map(|figure| figure.instructions) else { return };
    for (n, ((name, _), colour)) in ENGINES.iter().zip(COLOURS).enumerate() {
        let Some(figure) = row.engines.get(name) else { continue };
        let times = figure.instructions / base.max(1.0);
        let (y, width) = (top + BAR * n as f64, 2.0 + DECADE * times.max(1.0).log10());
        let _ = writeln!(
            out,
            "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{}\" fill=\"{colour}\"/><text x=\"{:.1}\" \
             y=\"{:.1}\" font-size=\"8\">{times:.1} × ({:.0})</text>",
            BAR - 1.0,
            LEFT + width + 4.0,
            y + BAR - 2.0,
            figure.instructions
        );
    }
}
