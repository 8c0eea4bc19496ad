//! The keys of providers.

use assistant::Fault;
use assistant::domain::StopReason;
use tally_tests::completions_api::CompletionsApi;

use super::kind::Kind;
use super::stage::{Stage, good, hear, request};

pub async fn a_replaced_key_is_read_again_and_a_refused_one_is_reported(kind: Kind) {
    let stage = Stage::with(kind, vec![good()]).await;
    let provider = stage.provider(&[]);
    let done = Ok(StopReason::EndTurn);
    let hears = async || hear(&*provider, request()).await.outcome();
    assert_eq!(hears().await, done);
    let (_, first) = stage.server.key().unwrap();
    stage.server.change_key(&first.replace("0123", "9876"));
    assert_eq!(hears().await, done, "the key is read again");
    assert_eq!(hears().await, done, "and kept");
    // The key is read again at most once a minute.
    stage.server.change_key(first);
    let error = hear(&*provider, request()).await.end.unwrap_err();
    assert_eq!((error.fault, error.produced), (Fault::KeyRefused, false));
    assert!(!format!("{error:?} {error}").contains("9876"), "{error:?}");
    // Refused requests are none that a model got.
    assert_eq!(stage.server.asked().len(), 3);
}

pub async fn a_key_has_any_length_and_is_absent_only_where_it_may_be(kind: Kind) {
    let stage = Stage::with(kind, vec![good()]).await;
    // Gateways issue short keys. A key that no header can carry counts as none.
    stage.server.change_key("sk-1");
    assert_eq!(stage.hear(request()).await.outcome(), Ok(StopReason::EndTurn));
    for (key, why) in
        [("sk-key 1", "a space"), ("sk-key-1\n", "a line break"), ("sk-key-é", "another character")]
    {
        stage.server.change_key(key);
        let error = stage.hear(request()).await.end.unwrap_err();
        assert_eq!(error.fault, Fault::NoKey, "{key}");
        let said = format!("{error:?} {error}");
        assert!(said.contains(why) && said.contains("arn:key"), "{said}");
        assert!(!said.contains("sk-key"), "{said}");
    }
    assert_eq!(stage.server.asked().len(), 1);
    if kind == Kind::Openai {
        // Some servers take none.
        let api = CompletionsApi::with(vec![kind.answer(&good())]).await.without_key();
        let heard = hear(&*stage.circuits.openai(&api, &[]), request()).await;
        assert_eq!(heard.outcome(), Ok(StopReason::EndTurn));
        assert!(!api.asked()[0].has_key, "no header is sent");
    } else {
        stage.server.change_key("");
        let error = stage.hear(request()).await.end.unwrap_err();
        assert_eq!(error.fault, Fault::NoKey);
        assert!(error.detail.contains("no member `api_key`"), "{error}");
    }
}
