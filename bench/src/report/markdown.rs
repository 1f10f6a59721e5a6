//! Writes Markdown tables. Knows nothing of what is in them.

/// A table whose first columns hold text and whose other columns hold numbers.
pub(crate) struct Table {
    heads: Vec<String>,
    text_columns: usize,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(text_columns: usize, heads: &[&str]) -> Self {
        let heads = heads.iter().map(|head| (*head).to_owned()).collect();
        Self {
            heads,
            text_columns,
            rows: Vec::new(),
        }
    }

    pub(crate) fn column(&mut self, head: &str) {
        self.heads.push(head.to_owned());
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.heads.len(), "a cell for each column");
        self.rows.push(cells);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn render(&self) -> String {
        let mut text = line(&self.heads);
        let rules = (0..self.heads.len()).map(|index| if index < self.text_columns { "---" } else { "---:" });
        text.push_str(&line(&rules.map(str::to_owned).collect::<Vec<_>>()));
        for row in &self.rows {
            text.push_str(&line(row));
        }
        text
    }
}

fn line(cells: &[String]) -> String {
    let mut text = String::from("|");
    for cell in cells {
        text.push(' ');
        text.push_str(&cell.replace('|', "\\|").replace('\n', " "));
        text.push_str(if cell.is_empty() { "|" } else { " |" });
    }
    text.push('\n');
    text
}
