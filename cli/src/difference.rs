//! What differs between two texts, line by line, with some lines around it.

/// Lines around a difference that are shown too.
const AROUND: usize = 3;
/// Texts with more lines are shown whole, one after the other: comparing takes time and memory with the product.
const MAX_LINES: usize = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Both,
    Before,
    After,
}

/// The lines that tell `after` from `before`, each with `- `, `+ ` or two blanks in front.
pub(crate) fn lines(before: &str, after: &str) -> Vec<String> {
    let before: Vec<&str> = before.trim_end().lines().collect();
    let after: Vec<&str> = after.trim_end().lines().collect();
    let steps = match before.len().max(after.len()) > MAX_LINES {
        true => {
            let gone = before.iter().map(|line| (Side::Before, *line));
            gone.chain(after.iter().map(|line| (Side::After, *line)))
                .collect()
        }
        false => steps(&before, &after),
    };
    let differs: Vec<usize> = (0..steps.len()).filter(|at| steps[*at].0 != Side::Both).collect();
    let mut shown = Vec::new();
    let mut last = None;
    for (at, (side, line)) in steps.iter().enumerate() {
        let next = differs.partition_point(|differs| *differs + AROUND < at);
        if differs.get(next).is_none_or(|differs| *differs > at + AROUND) {
            continue;
        }
        if last.is_some_and(|last| last + 1 < at) {
            shown.push("…".to_owned());
        }
        last = Some(at);
        let mark = match side {
            Side::Both => ' ',
            Side::Before => '-',
            Side::After => '+',
        };
        shown.push(format!("{mark} {line}"));
    }
    shown
}

/// The longest common subsequence, walked.
fn steps<'t>(before: &[&'t str], after: &[&'t str]) -> Vec<(Side, &'t str)> {
    let width = after.len() + 1;
    let mut common = vec![0_u32; (before.len() + 1) * width];
    for (i, old) in before.iter().enumerate().rev() {
        for (j, new) in after.iter().enumerate().rev() {
            common[i * width + j] = match old == new {
                true => common[(i + 1) * width + j + 1] + 1,
                false => common[(i + 1) * width + j].max(common[i * width + j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut steps = Vec::new();
    while i < before.len() || j < after.len() {
        if i < before.len() && j < after.len() && before[i] == after[j] {
            steps.push((Side::Both, before[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == after.len()
            || (i < before.len() && common[(i + 1) * width + j] >= common[i * width + j + 1])
        {
            steps.push((Side::Before, before[i]));
            i += 1;
        } else {
            steps.push((Side::After, after[j]));
            j += 1;
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_is_left_out_but_for_some_lines_around() {
        let numbers: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        let before = numbers.join("\n");
        let after = before.replace("\n2\n", "\ntwo\n").replace("\n18\n", "\n");
        assert_eq!(
            lines(&before, &after),
            [
                "  0", "  1", "- 2", "+ two", "  3", "  4", "  5", "…", "  15", "  16", "  17", "- 18",
                "  19"
            ]
        );
        assert_eq!(lines("a", "a"), Vec::<String>::new());
        assert_eq!(lines("", "a\nb"), ["+ a", "+ b"]);
    }
}
