//! The payment methods of the sandbox gateway, and what each of them causes.

/// The behaviour that a payment method causes.
pub(super) struct Script {
    /// The code with which the payment is declined; `None` if it is authorized.
    pub(super) decline_code: Option<&'static str>,
    /// The number of the authorization attempt that is decided. Earlier attempts fail.
    pub(super) decides_at: i32,
    pub(super) answer: Answer,
    /// The number of the refund attempt that succeeds. Earlier attempts for the same charge are
    /// temporarily refused.
    pub(super) refunds_at: i32,
}

/// How the sandbox answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Prompt,
    /// The amount is captured, but the answer to the first capture is lost.
    FirstCaptureIsLost,
    /// Authorizations are never answered.
    Never,
}

impl Script {
    pub(super) fn for_payment_method(payment_method: &str) -> Self {
        let authorize = |decides_at, answer| Self { decline_code: None, decides_at, answer, refunds_at: 1 };
        let decline = |code| Self { decline_code: Some(code), ..authorize(1, Answer::Prompt) };
        match payment_method {
            "tok_visa" => authorize(1, Answer::Prompt),
            "tok_processing_error" => authorize(3, Answer::Prompt),
            "tok_timeout" => authorize(1, Answer::FirstCaptureIsLost),
            "tok_down" => authorize(i32::MAX, Answer::Never),
            "tok_refund_later" => Self { refunds_at: 3, ..authorize(1, Answer::Prompt) },
            "tok_declined" => decline("card_declined"),
            "tok_insufficient_funds" => decline("insufficient_funds"),
            _ => decline("invalid_payment_method"),
        }
    }
}

/// The reason for a decline code, as the customer reads it.
pub(super) fn decline_reason(code: Option<&str>) -> String {
    match code {
        Some("card_declined") => "the card was declined",
        Some("insufficient_funds") => "the card has insufficient funds",
        Some("invalid_payment_method") => "the payment method is not valid",
        _ => "the payment was declined",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payment_methods_do_what_the_documents_say() {
        for (method, is_declined, decides_at) in [
            ("tok_visa", false, 1),
            ("tok_timeout", false, 1),
            ("tok_refund_later", false, 1),
            ("tok_processing_error", false, 3),
            ("tok_declined", true, 1),
            ("tok_insufficient_funds", true, 1),
            ("4242424242424242", true, 1),
        ] {
            let script = Script::for_payment_method(method);
            assert_eq!((script.decline_code.is_some(), script.decides_at), (is_declined, decides_at), "{method}");
        }
    }

    #[test]
    fn every_decline_has_a_reason_of_its_own() {
        let reasons = ["tok_declined", "tok_insufficient_funds", "tok_nonsense"]
            .map(|method| decline_reason(Script::for_payment_method(method).decline_code));
        assert_eq!(reasons, ["the card was declined", "the card has insufficient funds", "the payment method is not valid"]);
    }
}
