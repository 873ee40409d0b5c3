//! The use of each queue over time as one SVG, both runs one above the other.

use std::fmt::Write as _;

use super::played::{Played, Use};

const WIDTH: u64 = 900;
const HEIGHT: u64 = 120;
const LEFT: u64 = 60;
const GAP: u64 = 46;

/// Draws it.
pub(super) fn draw(without: &Played, with: &Played, duration: u64) -> String {
    let rows: Vec<(String, &[Use])> = without
        .use_over_time
        .keys()
        .flat_map(|queue| {
            [("without policies", without), ("with policies", with)].into_iter().filter_map(
                move |(title, played)| {
                    let uses = played.use_over_time.get(queue)?;
                    Some((format!("{queue}, {title}"), uses.as_slice()))
                },
            )
        })
        .collect();
    let whole = (HEIGHT + GAP) * rows.len() as u64 + 30;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {whole}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        WIDTH + LEFT + 20
    );
    for (number, (title, uses)) in (0_u64..).zip(&rows) {
        let top = number * (HEIGHT + GAP) + 24;
        let most = u64::from(uses.iter().map(|u| u.used).max().unwrap_or(0).max(1));
        let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"{}\">{}</text>", top - 8, escape(title));
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{most} CPUs</text>",
            LEFT - 6,
            top + 10
        );
        let mut area = |of: fn(&Use) -> u32, colour: &str, what: &str| {
            let steps = steps(uses, of, (duration.max(1), most), top);
            let _ =
                writeln!(svg, "<path d=\"{steps}\" fill=\"{colour}\"><title>{what}</title></path>");
        };
        area(|u| u.used, "#9ecae1", "in use");
        area(|u| u.stuck, "#cb181d", "held by stuck pulls");
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"#444\"/>\
             <text x=\"{LEFT}\" y=\"{label}\">0</text>\
             <text x=\"{right}\" y=\"{label}\" text-anchor=\"end\">{minutes} min</text>",
            bottom = top + HEIGHT,
            right = LEFT + WIDTH,
            label = top + HEIGHT + 14,
            minutes = duration / 60,
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn steps(uses: &[Use], of: fn(&Use) -> u32, (duration, most): (u64, u64), top: u64) -> String {
    let bottom = top + HEIGHT;
    let mut path = format!("M{LEFT} {bottom}");
    for step in uses {
        let x = LEFT + step.at_seconds.min(duration) * WIDTH / duration;
        let y = bottom - u64::from(of(step)) * HEIGHT / most;
        let _ = write!(path, "H{x}V{y}");
    }
    let _ = write!(path, "H{}V{bottom}Z", LEFT + WIDTH);
    path
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_queue_has_both_runs_one_above_the_other_and_nothing_is_drawn_outside() {
        let played = |used, stuck| {
            let uses =
                vec![Use { at_seconds: 0, used: 0, stuck: 0 }, Use { at_seconds: 50, used, stuck }];
            let mut played = Played::default();
            played.use_over_time.insert("a/<gpu>".to_owned(), uses);
            played
        };
        let svg = draw(&played(4, 2), &played(4, 0), 100);
        let at = |text: &str| svg.find(text).unwrap_or_else(|| panic!("no {text} in {svg}"));
        assert!(at("a/&lt;gpu&gt;, without policies") < at("a/&lt;gpu&gt;, with policies"));
        // Half of the time, and half of the height.
        let stuck = format!("H{}V{}H{}", LEFT + WIDTH / 2, 24 + HEIGHT / 2, LEFT + WIDTH);
        assert_eq!(svg.matches(&stuck).count(), 1, "{svg}");
        assert_eq!(svg.matches("<path").count(), 6);
    }
}
