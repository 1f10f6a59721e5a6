//! The division under any order of events, and by example.

use std::collections::BTreeMap;

use super::*;

const A: TieKey = TieKey(1);
const B: TieKey = TieKey(2);

/// What a coordinator believes, and what has not reached it.
#[derive(Default)]
struct Far {
    open: bool,
    slots: u32,
    /// Told and not heard.
    way: Vec<u32>,
    running: u32,
}

fn check(shares: &Shares) {
    let held: u32 = shares.ties.values().map(|tie| tie.held).sum();
    assert!(held <= shares.slots, "{shares:?}");
    for tie in shares.ties.values() {
        assert!(tie.taken <= tie.held, "{shares:?}");
    }
    let targets = shares.targets();
    let open = targets.len() as u32;
    let given: u32 = targets.iter().map(|(_, target)| target).sum();
    assert_eq!(given, if open == 0 { 0 } else { shares.slots });
    for (_, target) in &targets {
        assert!(*target >= 1 || shares.slots < open, "{shares:?}");
        assert!(*target <= shares.slots / open + 1, "{shares:?}");
    }
}

/// Coordinators come, go, dispatch all that they believe they may, and hear late; one of them does not heed it.
#[test]
fn never_more_attempts_than_slots_run_in_any_order_of_events() {
    let mut refused = 0;
    for seed in 0..3_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let slots = random.u32(0..20);
        let mut shares = Shares::new(slots);
        let mut fars: BTreeMap<TieKey, Far> = (1..=random.u64(1..6))
            .map(|at| (TieKey(at), Far::default()))
            .collect();
        let keys: Vec<TieKey> = fars.keys().copied().collect();
        keys.iter().for_each(|key| shares.add(*key));
        let deaf = random.bool().then(|| keys[0]);
        let now = Instant::now();
        for _ in 0..200 {
            let key = keys[random.usize(..keys.len())];
            let far = fars.get_mut(&key).unwrap();
            match random.u8(..10) {
                0 if !far.open => {
                    far.slots = shares.opening(key);
                    check(&shares);
                    if random.u8(..4) == 0 {
                        shares.closed(key, now);
                    } else {
                        shares.opened(key, &format!("c{}", key.0), random.u64(..));
                        far.open = true;
                    }
                }
                1 if far.open => {
                    shares.closed(key, now);
                    (far.open, far.way) = (false, Vec::new());
                }
                2 | 3 if far.open && !far.way.is_empty() => {
                    let told = far.way.remove(0);
                    if deaf != Some(key) {
                        far.slots = told;
                    }
                    if far.way.is_empty() {
                        shares.heard(key);
                    }
                }
                4..=6 if far.open && far.running < far.slots => {
                    if shares.take(key) {
                        far.running += 1;
                    } else {
                        refused += 1;
                    }
                }
                7.. if far.running > 0 => {
                    far.running -= 1;
                    shares.give_back(key);
                }
                _ => {}
            }
            for (key, far) in &mut fars {
                far.way.extend(shares.news(*key));
            }
            check(&shares);
            let running: u32 = fars.values().map(|far| far.running).sum();
            assert!(running <= slots, "seed {seed}: {running} run on {slots} slots");
        }
        settles(&mut shares, &mut fars, deaf, seed);
    }
    assert!(refused > 0, "the deaf one went beyond its share");
}

/// Once all is heard and nothing runs, every slot is given out, evenly.
fn settles(shares: &mut Shares, fars: &mut BTreeMap<TieKey, Far>, deaf: Option<TieKey>, seed: u64) {
    // those that were never tried are found to be away
    fars.iter()
        .filter(|(_, far)| !far.open)
        .for_each(|(key, _)| shares.closed(*key, Instant::now()));
    for _ in 0..20 {
        for (key, far) in &mut *fars {
            while far.running > 0 {
                far.running -= 1;
                shares.give_back(*key);
            }
            far.way.extend(shares.news(*key));
            if far.open && !far.way.is_empty() {
                far.slots = far.way.drain(..).next_back().unwrap();
                shares.heard(*key);
            }
        }
    }
    let open: Vec<(&TieKey, &Far)> = fars.iter().filter(|(_, far)| far.open).collect();
    let targets: BTreeMap<TieKey, u32> = shares.targets().into_iter().collect();
    assert_eq!(targets.len(), open.len());
    for (key, far) in open {
        assert_eq!(
            shares.held(*key),
            targets[key],
            "seed {seed} {deaf:?}: {shares:?}"
        );
        assert!(
            deaf == Some(*key) || far.slots == targets[key],
            "seed {seed}: {shares:?}"
        );
    }
}

fn open(shares: &mut Shares, key: TieKey) -> u32 {
    let slots = shares.opening(key);
    shares.opened(key, &format!("c{}", key.0), key.0);
    slots
}

#[test]
fn one_coordinator_has_all_slots_and_two_that_are_expected_have_half_each() {
    let mut shares = Shares::new(16);
    shares.add(A);
    assert_eq!(open(&mut shares, A), 16);
    let mut shares = Shares::new(7);
    shares.add(A);
    shares.add(B);
    assert_eq!((open(&mut shares, A), open(&mut shares, B)), (3, 3));
    assert_eq!(
        (shares.news(A), shares.news(B)),
        (Some(4), None),
        "the odd one goes to the lower rank"
    );
}

#[test]
fn a_second_coordinator_gets_its_share_when_the_first_has_heard_and_attempts_have_ended() {
    let mut shares = Shares::new(4);
    shares.add(A);
    assert_eq!(open(&mut shares, A), 4);
    assert!((0..4).all(|_| shares.take(A)));
    shares.add(B);
    assert_eq!(open(&mut shares, B), 0);
    assert_eq!(shares.news(A), Some(2));
    shares.give_back(A);
    assert_eq!(shares.news(B), None, "the first may not have heard yet");
    assert!(shares.take(A), "what it sent before it heard is taken");
    shares.heard(A);
    shares.give_back(A);
    assert_eq!(shares.news(B), Some(1));
    assert!(!shares.take(A), "an attempt beyond the share is refused");
    assert!(shares.take(B) && !shares.take(B));
    shares.give_back(A);
    assert_eq!(shares.news(B), Some(2));
}

#[test]
fn what_a_lost_coordinator_held_goes_to_the_others_as_its_attempts_end() {
    let mut shares = Shares::new(4);
    shares.add(A);
    shares.add(B);
    open(&mut shares, A);
    open(&mut shares, B);
    assert!(shares.take(A));
    shares.closed(A, Instant::now());
    assert_eq!(shares.news(B), Some(3));
    shares.give_back(A);
    assert_eq!(shares.news(B), Some(4));
}

#[test]
fn with_fewer_slots_than_coordinators_some_have_one_and_the_others_none() {
    let mut shares = Shares::new(2);
    for key in 1..=3 {
        shares.add(TieKey(key));
    }
    let given: Vec<u32> = (1..=3).map(|key| open(&mut shares, TieKey(key))).collect();
    assert_eq!(given, [0, 0, 0]);
    let news: Vec<Option<u32>> = (1..=3).map(|key| shares.news(TieKey(key))).collect();
    assert_eq!(news, [Some(1), Some(1), None]);
}

#[test]
fn a_coordinator_is_known_to_be_connected_while_its_session_is_open_and_a_while_after() {
    let mut shares = Shares::new(2);
    shares.add(A);
    shares.add(B);
    open(&mut shares, A);
    let now = Instant::now();
    assert_eq!(shares.connected_besides(B, now), ["c1"]);
    assert!(shares.connected_besides(A, now).is_empty() && shares.is_open_besides(B, "c1"));
    shares.closed(A, now);
    assert_eq!(shares.connected_besides(B, now), ["c1"]);
    assert!(shares.connected_besides(B, now + AWAITED).is_empty());
}
