//! A plan's graph for Mermaid and Graphviz. Names come from the plan, so both formats get them quoted.

use std::{collections::HashMap, fmt::Write as _};

use toolwave_client::v1::{Call, Edge, EdgeOrigin, PlanExecutionResponse};

use crate::text;

/// A Mermaid flow chart, one subgraph for each wave.
pub(crate) fn mermaid(calls: &[Call], names: &[String], planned: &PlanExecutionResponse) -> String {
    // Mermaid reads `#` and `"` inside quotes; its own escapes are entities.
    let quoted = |text: &str| {
        text::printable(text)
            .replace('#', "#35;")
            .replace('"', "#quot;")
            .replace('`', "#96;")
    };
    let mut graph = "flowchart LR\n".to_owned();
    for (number, wave) in planned.waves.iter().enumerate() {
        let _ = writeln!(graph, "  subgraph wave{number}[\"wave {number}\"]");
        for &index in &wave.calls {
            let (name, tool) = (quoted(label(names, index)), quoted(tool(calls, index)));
            let _ = writeln!(graph, "    c{index}[\"{name}<br/>{tool}\"]");
        }
        graph.push_str("  end\n");
    }
    for arrow in arrows(&planned.edges) {
        let line = if arrow.only_order { "-.->" } else { "-->" };
        let reasons: Vec<String> = arrow.reasons.iter().map(|reason| quoted(reason)).collect();
        let _ = writeln!(
            graph,
            "  c{} {line}|\"{}\"| c{}",
            arrow.from,
            reasons.join("<br/>"),
            arrow.to
        );
    }
    graph
}

/// A Graphviz digraph, one rank for each wave.
pub(crate) fn dot(calls: &[Call], names: &[String], planned: &PlanExecutionResponse) -> String {
    let quoted = |text: &str| text::printable(text).replace('\\', "\\\\").replace('"', "\\\"");
    let mut graph = "digraph plan {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
    for wave in &planned.waves {
        graph.push_str("  { rank=same;");
        for index in &wave.calls {
            let _ = write!(graph, " c{index};");
        }
        graph.push_str(" }\n");
    }
    for index in 0..names.len() {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let (name, tool) = (quoted(label(names, index)), quoted(tool(calls, index)));
        let _ = writeln!(graph, "  c{index} [label=\"{name}\\n{tool}\"];");
    }
    for arrow in arrows(&planned.edges) {
        let style = if arrow.only_order { ", style=dashed" } else { "" };
        let reasons: Vec<String> = arrow.reasons.iter().map(|reason| quoted(reason)).collect();
        let _ = writeln!(
            graph,
            "  c{} -> c{} [label=\"{}\"{style}];",
            arrow.from,
            arrow.to,
            reasons.join("\\n")
        );
    }
    graph.push_str("}\n");
    graph
}

fn label(names: &[String], index: u32) -> &str {
    names.get(index as usize).map_or("?", String::as_str)
}

fn tool(calls: &[Call], index: u32) -> &str {
    calls
        .get(index as usize)
        .map_or("?", |call| call.tool_name.as_str())
}

/// All edges between two calls, drawn as one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arrow<'a> {
    pub(crate) from: u32,
    pub(crate) to: u32,
    /// None of the edges needs success: tools declare that they touch the same.
    pub(crate) only_order: bool,
    pub(crate) reasons: Vec<&'a str>,
}

/// In the order of the first edge of each pair. What touches the same is told only where it is the only reason.
pub(crate) fn arrows(edges: &[Edge]) -> Vec<Arrow<'_>> {
    let mut arrows: Vec<Arrow<'_>> = Vec::new();
    let mut at = HashMap::new();
    for edge in edges {
        let reason = match edge.origin() {
            EdgeOrigin::DependsOn => "depends_on",
            EdgeOrigin::Reference | EdgeOrigin::Effect | EdgeOrigin::Unspecified => edge.detail.as_str(),
        };
        let order = edge.origin() == EdgeOrigin::Effect;
        let index = *at.entry((edge.from, edge.to)).or_insert_with(|| {
            arrows.push(Arrow {
                from: edge.from,
                to: edge.to,
                only_order: order,
                reasons: Vec::new(),
            });
            arrows.len() - 1
        });
        let arrow = &mut arrows[index];
        if arrow.only_order && !order {
            arrow.only_order = false;
            arrow.reasons.clear();
        }
        if arrow.only_order == order && !arrow.reasons.contains(&reason) {
            arrow.reasons.push(reason);
        }
    }
    arrows
}

#[cfg(test)]
mod tests {
    use toolwave_client::v1::Wave;

    use super::*;

    fn planned() -> (Vec<Call>, Vec<String>, PlanExecutionResponse) {
        let call = |tool: &str| Call {
            tool_name: tool.to_owned(),
            ..Call::default()
        };
        let edge = |from, to, origin, detail: &str| Edge {
            from,
            to,
            origin: origin as i32,
            detail: detail.to_owned(),
        };
        let planned = PlanExecutionResponse {
            waves: vec![
                Wave { calls: vec![0] },
                Wave { calls: vec![1] },
                Wave { calls: vec![2] },
            ],
            edges: vec![
                edge(0, 1, EdgeOrigin::Effect, "file:a"),
                edge(0, 1, EdgeOrigin::Reference, "${a.result[\"x\"]}"),
                edge(0, 1, EdgeOrigin::DependsOn, ""),
                edge(1, 2, EdgeOrigin::Effect, "file:*"),
            ],
            ..PlanExecutionResponse::default()
        };
        let names = ["a", "b", "c"].map(str::to_owned).to_vec();
        (vec![call("read"), call("write"), call("hash")], names, planned)
    }

    #[test]
    fn mermaid_has_a_subgraph_for_each_wave_and_an_arrow_for_each_pair() {
        let (calls, names, planned) = planned();
        let expected = "flowchart LR
  subgraph wave0[\"wave 0\"]
    c0[\"a<br/>read\"]
  end
  subgraph wave1[\"wave 1\"]
    c1[\"b<br/>write\"]
  end
  subgraph wave2[\"wave 2\"]
    c2[\"c<br/>hash\"]
  end
  c0 -->|\"${a.result[#quot;x#quot;]}<br/>depends_on\"| c1
  c1 -.->|\"file:*\"| c2
";
        assert_eq!(mermaid(&calls, &names, &planned), expected);
    }

    #[test]
    fn dot_quotes_what_the_plan_says() {
        let (calls, names, planned) = planned();
        let graph = dot(&calls, &names, &planned);
        assert!(
            graph.contains(r#"c0 -> c1 [label="${a.result[\"x\"]}\ndepends_on"];"#),
            "{graph}"
        );
        assert!(
            graph.contains(r#"c1 -> c2 [label="file:*", style=dashed];"#),
            "{graph}"
        );
        assert!(graph.contains(r#"c1 [label="b\nwrite"];"#), "{graph}");
    }
}
