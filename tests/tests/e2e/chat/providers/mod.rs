//! One suite of behaviours for all providers of the assistant. Each provider runs against a stand-in
//! for its API, and has to do the same as the others. The script of a test is in the words of no
//! API.
//!
//! - `kind`: the providers, and what their APIs can tell; `server`: their stand-ins with one
//!   interface; `stage`: a provider with its stand-in, and what a caller hears of a call
//! - `cases`: calls with answers in turn, and what a caller hears of them
//! - `replies`, `tools`, `shown`, `usage`: replies; `failures`, `models`, `keys`: what goes wrong
//! - `world`, `stack`: the same providers in the functions of a whole stack
//!
//! The tests of one API alone are in `anthropic.rs`, `bedrock.rs`, `claude_steps.rs`,
//! `claude_tasks.rs` and `openai.rs`.

pub mod cases;
mod failures;
mod keys;
pub mod kind;
mod models;
mod replies;
mod server;
mod shown;
mod stack;
pub mod stage;
mod tools;
mod usage;
pub mod world;

use kind::Kind;

/// A test of a provider for each of these behaviours.
macro_rules! tests {
    ($kind:ident: $($area:ident::$name:ident),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $name() {
                super::$area::$name(super::Kind::$kind).await;
            }
        )+
    };
}

/// What every provider does.
macro_rules! any_provider {
    ($kind:ident) => {
        tests! {
            $kind:
            replies::a_reply_is_whole_and_has_its_model_usage_cost_and_stop_reason,
            replies::an_answer_has_the_form_that_is_asked_for,
            tools::tools_are_used_at_once_each_with_its_whole_input,
            tools::results_go_back_and_the_reply_goes_on,
            tools::a_request_without_tools_uses_none,
            stack::replies_pass_through_the_whole_stack,
        }
    };
}

/// What a provider with a network between it and its model does. `lorem` has none. It reads every
/// turn, heeds no bound, has one model, cannot fail, and costs nothing.
macro_rules! over_a_network {
    ($kind:ident) => {
        tests! {
            $kind:
            replies::a_reply_is_whole_in_pieces_of_any_size,
            replies::a_reply_ends_for_each_reason_that_the_api_has,
            replies::the_bound_of_a_request_is_sent,
            tools::a_text_comes_before_the_uses_of_tools,
            tools::a_use_in_which_the_bound_cuts_a_reply_off_is_left_out,
            shown::turns_that_the_api_does_not_take_are_left_out_and_told,
            shown::a_request_that_is_too_long_loses_turns_until_it_fits,
            usage::usage_is_known_while_it_is_used,
            usage::a_reply_that_breaks_off_is_paid_for_by_an_estimate,
            usage::a_request_that_is_refused_costs_nothing,
            usage::an_answer_that_does_not_come_in_time_is_paid_where_a_model_thinks_in_silence,
            failures::what_fails_before_anything_is_written_is_tried_again,
            failures::what_cannot_be_mended_is_one_clear_error,
            failures::what_breaks_after_the_first_word_is_not_tried_again,
            failures::a_long_pause_that_the_api_asks_for_is_told_and_not_waited_for,
            failures::an_error_has_neither_a_secret_nor_the_conversation,
            failures::a_dropped_stream_ends_the_call_to_the_model,
            models::the_model_of_a_request_is_asked_first_and_the_fallback_stays,
            models::another_model_answers_where_the_first_one_cannot,
            models::a_model_that_fails_all_the_time_is_not_asked_for_a_while,
            models::a_circuit_is_shared_and_closes_by_a_trial,
        }
    };
}

/// What a provider with a key does. `bedrock` asks with the role of the function.
macro_rules! with_a_key {
    ($kind:ident) => {
        tests! {
            $kind:
            keys::a_replaced_key_is_read_again_and_a_refused_one_is_reported,
            keys::a_key_has_any_length_and_is_absent_only_where_it_may_be,
        }
    };
}

mod lorem {
    any_provider!(Lorem);
}

mod anthropic {
    any_provider!(Anthropic);
    over_a_network!(Anthropic);
    with_a_key!(Anthropic);
}

mod openai {
    any_provider!(Openai);
    over_a_network!(Openai);
    with_a_key!(Openai);
}

mod bedrock {
    any_provider!(Bedrock);
    over_a_network!(Bedrock);
}
