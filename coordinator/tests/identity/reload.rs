//! Files that change while a coordinator runs.

use tonic::transport::Channel;

use crate::{
    ask::{Answer, CLIENT_METHODS, ask, ask_once},
    common::{channel, soon, start},
    pki::replace,
    tokens::{asking, entry, file},
};

/// Asks until the answer is this one.
async fn until(channel: &Channel, header: &str, wanted: Answer) {
    soon("another answer", async {
        while ask_once(channel, CLIENT_METHODS[4], &[header]).await.0 != wanted {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_changed_file_counts_without_a_restart_and_a_bad_one_does_not() {
    let (_folder, path) = file(&entry("first", ""));
    let coordinator = start(asking(path.clone())).await;
    let channel = channel(&coordinator).await;
    until(&channel, "Bearer first", Answer::LetIn).await;
    until(&channel, "Bearer second", Answer::BadToken).await;

    replace(&path, &entry("second", ""), 0o600);
    until(&channel, "Bearer second", Answer::LetIn).await;
    until(&channel, "Bearer first", Answer::BadToken).await;

    // None of these is taken; that the last good one is, shows that they were passed over.
    for bad in [
        "[[token]]\nname = 7\n",
        "not toml",
        &entry("third", "unknown = 1"),
    ] {
        replace(&path, bad, 0o600);
        for _ in 0..20 {
            let second = ask(&channel, CLIENT_METHODS[4], &["Bearer second"]).await;
            let third = ask(&channel, CLIENT_METHODS[4], &["Bearer third"]).await;
            assert_eq!((second, third), (Answer::LetIn, Answer::BadToken), "{bad}");
        }
    }
    std::fs::remove_file(&path).expect("it was there");
    until(&channel, "Bearer second", Answer::LetIn).await;
    replace(&path, &(entry("second", "") + &entry("third", "")), 0o600);
    until(&channel, "Bearer third", Answer::LetIn).await;
    until(&channel, "Bearer second", Answer::LetIn).await;
}
