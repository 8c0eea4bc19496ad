//! The operations as the real SDK uses them.

use std::fs;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::operation::generate_data_key::GenerateDataKeyOutput;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{
    DataKeySpec, EncryptionAlgorithmSpec, KeySpec as SdkKeySpec, KeyState, KeyUsageType,
    MessageType, SigningAlgorithmSpec,
};
use http_body_util::BodyExt;

use super::super::State;
use super::super::environment;
use super::super::tests::Stack;
use super::*;
use crate::template::model::Resources;

const DATA: &str = "11111111-1111-8111-8111-111111111111";
const OTHER: &str = "22222222-2222-8222-8222-222222222222";
const LOG: &str = "33333333-3333-8333-8333-333333333333";
const OFF: &str = "44444444-4444-8444-8444-444444444444";
const MISSING: &str = "55555555-5555-8555-8555-555555555555";

fn arn(key_id: &str) -> String {
    format!("arn:aws:kms:us-east-1:000000000000:key/{key_id}")
}

fn resources(keys: Vec<Key>) -> Resources {
    Resources { keys, ..Resources::default() }
}

fn keys() -> Vec<Key> {
    [
        (DATA, KeySpec::Symmetric, true, "alias/data"),
        (OTHER, KeySpec::Symmetric, true, "alias/other"),
        (LOG, KeySpec::Ed25519, true, "alias/log"),
        (OFF, KeySpec::Symmetric, false, "alias/off"),
    ]
    .map(|(key_id, spec, enabled, alias)| Key {
        id: alias.replace("alias/", ""),
        key_id: key_id.into(),
        arn: arn(key_id),
        spec,
        enabled,
        aliases: vec![alias.into()],
    })
    .into()
}

/// A client built from the environment that a function gets.
fn client(stack: &Stack) -> Client {
    let variables = environment(stack.address, None, &stack.credentials);
    let id = &variables["AWS_ACCESS_KEY_ID"];
    let secret = &variables["AWS_SECRET_ACCESS_KEY"];
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(variables["AWS_REGION"].clone()))
        .endpoint_url(&variables["AWS_ENDPOINT_URL_KMS"])
        .credentials_provider(Credentials::new(id, secret, None, None, "environment"))
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

async fn start() -> (Stack, Client) {
    let stack = Stack::start_with(State::Memory, resources(keys())).await;
    let client = client(&stack);
    (stack, client)
}

async fn data_key(client: &Client, user: &str) -> GenerateDataKeyOutput {
    let call = client.generate_data_key().key_id(DATA).key_spec(DataKeySpec::Aes256);
    call.encryption_context("user_id", user).send().await.unwrap()
}

fn blob(blob: Option<&Blob>) -> Blob {
    blob.unwrap().clone()
}

/// The code of an error.
#[track_caller]
fn code<T, E: ProvideErrorMetadata>(result: Result<T, SdkError<E>>) -> String {
    result.err().unwrap().code().unwrap().to_owned()
}

#[tokio::test]
async fn a_data_key_unwraps_under_its_context_and_its_key() {
    let (stack, client) = start().await;
    let made = data_key(&client, "anna").await;
    assert_eq!(made.key_id(), Some(arn(DATA).as_str()));
    assert_eq!(made.plaintext().unwrap().as_ref().len(), 32);

    let wrapped = blob(made.ciphertext_blob());
    let decrypt = |user: &str| {
        client.decrypt().ciphertext_blob(wrapped.clone()).encryption_context("user_id", user)
    };
    stack.aws.calls().clear();
    for call in [
        decrypt("anna"),
        decrypt("anna").key_id("alias/data"),
        decrypt("anna").encryption_algorithm(EncryptionAlgorithmSpec::SymmetricDefault),
    ] {
        let opened = call.send().await.unwrap();
        assert_eq!(opened.plaintext(), made.plaintext());
        assert_eq!(opened.key_id(), Some(arn(DATA).as_str()));
    }
    let call = (Service::Kms, "Decrypt".to_owned(), vec![DATA.to_owned()]);
    assert_eq!(stack.calls(), vec![call; 3]);

    let without = client.decrypt().ciphertext_blob(wrapped.clone());
    let more = decrypt("anna").encryption_context("more", "1");
    for call in [decrypt("bert"), without, more] {
        assert_eq!(code(call.send().await), "InvalidCiphertextException");
    }
    let other = decrypt("anna").key_id(OTHER).send().await;
    assert_eq!(code(other), "IncorrectKeyException");
}

#[tokio::test]
async fn data_keys_have_the_length_that_was_asked_for_and_never_repeat() {
    let (_stack, client) = start().await;
    for (spec, bytes, length) in [
        (Some(DataKeySpec::Aes128), None, 16),
        (Some(DataKeySpec::Aes256), None, 32),
        (None, Some(1_024), 1_024),
    ] {
        let call = client.generate_data_key().key_id(DATA);
        let made = call.set_key_spec(spec).set_number_of_bytes(bytes).send().await.unwrap();
        assert_eq!(made.plaintext().unwrap().as_ref().len(), length);
    }
    let (one, other) = (data_key(&client, "anna").await, data_key(&client, "anna").await);
    assert_ne!(one.plaintext(), other.plaintext());

    let call = client.generate_data_key_without_plaintext().key_id("alias/data");
    let made = call.key_spec(DataKeySpec::Aes256).send().await.unwrap();
    let wrapped = blob(made.ciphertext_blob());
    let opened = client.decrypt().ciphertext_blob(wrapped).send().await.unwrap();
    assert_eq!(opened.plaintext().unwrap().as_ref().len(), 32);
}

#[tokio::test]
async fn a_key_is_found_by_id_arn_alias_and_arn_of_an_alias() {
    let (_stack, client) = start().await;
    let message = Blob::new("secret");
    let alias_arn = arn(DATA).replace("key/", "").replace(DATA, "alias/data");
    for id in [DATA, &arn(DATA), "alias/data", &alias_arn] {
        let call = client.encrypt().key_id(id).plaintext(message.clone());
        let sealed = call.encryption_context("a", "1").send().await.unwrap();
        assert_eq!(sealed.encryption_algorithm(), Some(&EncryptionAlgorithmSpec::SymmetricDefault));
        let opened = client.decrypt().ciphertext_blob(blob(sealed.ciphertext_blob()));
        let opened = opened.encryption_context("a", "1").send().await.unwrap();
        assert_eq!(opened.plaintext(), Some(&message), "{id}");
    }
    for id in [MISSING, &arn(MISSING), "alias/missing", &alias_arn.replace("data", "x"), "data"] {
        let refused = client.encrypt().key_id(id).plaintext(message.clone()).send().await;
        assert_eq!(code(refused), "NotFoundException", "{id}");
    }
}

#[tokio::test]
async fn another_implementation_verifies_a_signature_by_the_public_key() {
    let (_stack, client) = start().await;
    let message = b"example.com/audit\n1\n";
    let signed = client
        .sign()
        .key_id("alias/log")
        .message(Blob::new(message))
        .message_type(MessageType::Raw)
        .signing_algorithm(SigningAlgorithmSpec::Ed25519Sha512)
        .send()
        .await
        .unwrap();
    let signature = blob(signed.signature());
    let public = client.get_public_key().key_id(LOG).send().await.unwrap();
    assert_eq!(public.key_spec(), Some(&SdkKeySpec::EccNistEdwards25519));
    assert_eq!(public.key_usage(), Some(&KeyUsageType::SignVerify));
    assert_eq!(public.signing_algorithms(), [SigningAlgorithmSpec::Ed25519Sha512]);
    let der = public.public_key().unwrap().as_ref();
    // RFC 8410: the algorithm's identifier, then the 32 bytes.
    assert_eq!(der[..12], [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0]);
    assert_eq!(der.len(), 44);
    let raw = UnparsedPublicKey::new(&ED25519, &der[12..]);
    raw.verify(message, signature.as_ref()).unwrap();
    assert!(raw.verify(b"another", signature.as_ref()).is_err());

    let verify = |message: &[u8], signature: &Blob| {
        client
            .verify()
            .key_id(LOG)
            .message(Blob::new(message))
            .signature(signature.clone())
            .signing_algorithm(SigningAlgorithmSpec::Ed25519Sha512)
            .send()
    };
    assert!(verify(message, &signature).await.unwrap().signature_valid());
    for (message, signature) in [
        (&b"another"[..], &signature),
        (&message[..], &Blob::new([0_u8; 64])),
        (&message[..], &Blob::new("a")),
    ] {
        let refused = verify(message, signature).await;
        assert_eq!(code(refused), "KMSInvalidSignatureException");
    }
}

#[tokio::test]
async fn a_key_does_what_its_usage_and_state_allow() {
    let (_stack, client) = start().await;
    let message = || Blob::new("m");
    let generate =
        |key: &str| client.generate_data_key().key_id(key).key_spec(DataKeySpec::Aes256).send();
    let sign = |key: &str, algorithm: SigningAlgorithmSpec, kind: MessageType| {
        let call = client.sign().key_id(key).message(message());
        call.signing_algorithm(algorithm).message_type(kind).send()
    };
    let ed25519 = SigningAlgorithmSpec::Ed25519Sha512;
    let encrypt = client.encrypt().key_id(LOG).plaintext(message()).send().await;
    let oaep = EncryptionAlgorithmSpec::RsaesOaepSha256;
    let oaep = client.encrypt().key_id(DATA).plaintext(message()).encryption_algorithm(oaep);
    let long = client.sign().key_id(LOG).message(Blob::new(vec![0_u8; 4_097]));
    let foreign = client.decrypt().ciphertext_blob(Blob::new("not a ciphertext"));
    let both = client.generate_data_key().key_id(DATA).number_of_bytes(32);
    for (refused, expected) in [
        (code(generate(LOG).await), "InvalidKeyUsageException"),
        (code(encrypt), "InvalidKeyUsageException"),
        (code(oaep.send().await), "InvalidKeyUsageException"),
        (code(sign(DATA, ed25519.clone(), MessageType::Raw).await), "InvalidKeyUsageException"),
        (
            code(sign(LOG, SigningAlgorithmSpec::EcdsaSha256, MessageType::Raw).await),
            "InvalidKeyUsageException",
        ),
        (code(sign(LOG, ed25519.clone(), MessageType::Digest).await), "ValidationException"),
        (
            code(sign(LOG, SigningAlgorithmSpec::Ed25519PhSha512, MessageType::Digest).await),
            "UnsupportedOperationException",
        ),
        (code(long.signing_algorithm(ed25519).send().await), "ValidationException"),
        (code(generate(OFF).await), "DisabledException"),
        (code(foreign.send().await), "InvalidCiphertextException"),
        (code(both.key_spec(DataKeySpec::Aes256).send().await), "ValidationException"),
        (code(client.get_public_key().key_id(DATA).send().await), "UnsupportedOperationException"),
        (
            code(client.encrypt().key_id(DATA).plaintext(message()).dry_run(true).send().await),
            "ValidationException",
        ),
        (code(client.list_keys().send().await), "UnknownOperationException"),
    ] {
        assert_eq!(refused, expected);
    }
}

#[tokio::test]
async fn a_key_is_described_also_when_it_is_disabled() {
    let (_stack, client) = start().await;
    for (id, spec, state) in [
        ("alias/data", SdkKeySpec::SymmetricDefault, KeyState::Enabled),
        (LOG, SdkKeySpec::EccNistEdwards25519, KeyState::Enabled),
        (OFF, SdkKeySpec::SymmetricDefault, KeyState::Disabled),
    ] {
        let described = client.describe_key().key_id(id).send().await.unwrap();
        let metadata = described.key_metadata().unwrap();
        assert_eq!((metadata.key_spec(), metadata.key_state()), (Some(&spec), Some(&state)));
        assert_eq!(metadata.enabled(), state == KeyState::Enabled);
        assert_eq!(metadata.arn(), Some(arn(metadata.key_id()).as_str()));
        assert!(metadata.creation_date().is_some());
    }
}

#[tokio::test]
async fn keys_are_generated_once_and_kept_in_a_file_for_the_owner_alone() {
    let parent = tempfile::tempdir().unwrap();
    let state = State::Directory(parent.path().join("state"));
    let stack = Stack::start_with(state.clone(), resources(keys()[..1].to_vec())).await;
    let made = data_key(&client(&stack), "anna").await;
    stack.aws.shutdown().await;

    let stack = Stack::start_with(state, resources(keys())).await;
    let client = client(&stack);
    let opened = client.decrypt().ciphertext_blob(blob(made.ciphertext_blob()));
    let opened = opened.encryption_context("user_id", "anna").send().await.unwrap();
    assert_eq!(opened.plaintext(), made.plaintext());
    let public = client.get_public_key().key_id(LOG).send().await.unwrap();
    stack.aws.shutdown().await;

    let file = parent.path().join("state/kms.json");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let kms = Kms::open(Some(&file), keys()).unwrap();
    let answer = ask(&kms, "GetPublicKey", &json!({ "KeyId": LOG })).await;
    let der = STANDARD.encode(public.public_key().unwrap());
    assert_eq!(answer["PublicKey"], der.as_str());
}

/// Makes a call past the wire.
async fn ask(kms: &Kms, operation: &str, request: &Value) -> Value {
    let answer = kms.answer(operation, request.clone(), &CallLog::default());
    serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

#[tokio::test]
async fn a_ciphertext_of_a_key_that_is_gone_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kms.json");
    let all = Kms::open(Some(&file), keys()).unwrap();
    let request = json!({"KeyId": OTHER, "NumberOfBytes": 32});
    let made = ask(&all, "GenerateDataKey", &request).await;
    let fewer = Kms::open(Some(&file), keys()[..1].to_vec()).unwrap();
    let request = json!({"CiphertextBlob": made["CiphertextBlob"]});
    assert_eq!(ask(&fewer, "Decrypt", &request).await["__type"], "AccessDeniedException");
    // The template names the key again.
    let again = Kms::open(Some(&file), keys()).unwrap();
    assert_eq!(ask(&again, "Decrypt", &request).await["Plaintext"], made["Plaintext"]);
}

#[test]
fn a_file_that_does_not_fit_is_left_alone_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kms.json");
    Kms::open(Some(&file), keys()).unwrap();
    let kept = fs::read_to_string(&file).unwrap();
    let material = |text: &str| {
        let mut kept: Value = serde_json::from_str(text).unwrap();
        kept[DATA]["material"] = "AAAA".into();
        kept.to_string()
    };
    let another = kept.replace("ECC_NIST_EDWARDS25519", "SYMMETRIC_DEFAULT");
    for (content, expected) in [
        ("{".to_owned(), "kms.json"),
        (kept.replace("SYMMETRIC_DEFAULT", "RSA_2048"), "does not hold KMS keys"),
        (material(&kept), "the KMS key data can't be used (its material is damaged)"),
        (another, "the KMS key log can't be used (it is kept with another KeySpec)"),
    ] {
        fs::write(&file, &content).unwrap();
        let refusal = Kms::open(Some(&file), keys()).err().unwrap().to_string();
        assert!(refusal.contains(expected), "{refusal}");
        assert!(!refusal.contains("AAAA"), "{refusal}");
        assert_eq!(fs::read_to_string(&file).unwrap(), content);
    }
}
