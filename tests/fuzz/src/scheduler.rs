//! The scheduler in the adversarial world of its own tests, with the script of what happens read from the input
//! instead of drawn: every invariant is checked after every step, and at the end everything must end.

use crate::{
    script::{Script, Step},
    world::World,
};

/// Of a step: what happens, to whom, and more of it.
const STEP_BYTES: usize = 7;
/// More steps make runs slow rather than new.
const MOST_STEPS: usize = 120;

/// Plays the script.
///
/// # Panics
/// An invariant does not hold.
pub fn run(data: &[u8]) {
    let Some((setup, steps)) = data.split_first_chunk::<8>() else {
        return;
    };
    let steps: Vec<(u8, u16, u32)> = steps
        .as_chunks::<STEP_BYTES>()
        .0
        .iter()
        .take(MOST_STEPS)
        .map(|&[kind, at, at_high, a, b, c, d]| {
            (
                kind % Step::KINDS,
                u16::from_le_bytes([at, at_high]),
                u32::from_le_bytes([a, b, c, d]),
            )
        })
        .collect();
    let script = Script::decode(u64::from_le_bytes(*setup), &steps);
    let mut world = World::new(&script);
    if let Err(broken) = world.run(&script) {
        panic!("{script}\n{}\n\nbroken: {broken}", world.harness.log.join("\n"));
    }
}
