//! Stripe's refusals, and the reasons that customers read for its decline codes
//! (<https://docs.stripe.com/declines/codes>). Some codes must not be revealed: "stolen" would tell
//! a thief that the theft is known.

use serde::Deserialize;

/// The error object in Stripe's answers. Its texts are not read, because they may quote what was
/// sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Refusal {
    #[serde(default, rename = "type")]
    pub(super) kind: String,
    pub(super) code: Option<String>,
    pub(super) decline_code: Option<String>,
    pub(super) param: Option<String>,
}

/// The codes of temporary refusals: nothing was done, and Stripe may accept the same request later.
/// No other place lists such codes.
const TEMPORARY: [&str; 1] = ["balance_insufficient"];

/// OrderFlow's own code for an amount that Stripe's units cannot express.
pub(super) const TOO_PRECISE: &str = "amount_too_precise";

impl Refusal {
    /// The codes as text for the log.
    pub(super) fn codes(&self) -> String {
        let codes = [Some(&self.kind), self.code.as_ref(), self.param.as_ref()].into_iter().flatten();
        codes.filter(|code| !code.is_empty()).cloned().collect::<Vec<_>>().join(" ")
    }

    /// Whether the refusal is temporary.
    pub(super) fn is_temporary(&self) -> bool {
        TEMPORARY.iter().any(|code| self.has_code(code))
    }

    pub(super) fn has_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// The reason that the customer reads.
    pub(super) fn reason(&self) -> &'static str {
        let codes = [self.decline_code.as_deref(), self.code.as_deref()];
        let known = codes.into_iter().flatten().find_map(|code| by_code(code, self.param.as_deref()));
        known.unwrap_or(match self.kind.as_str() {
            "card_error" => "the card was declined",
            _ => "the payment was refused",
        })
    }
}

fn by_code(code: &str, param: Option<&str>) -> Option<&'static str> {
    Some(match code {
        "insufficient_funds" => "the card has insufficient funds",
        "card_velocity_exceeded" | "withdrawal_count_limit_exceeded" => "the card's limit is exceeded",
        "expired_card" | "invalid_expiry_month" | "invalid_expiry_year" => "the card has expired",
        "incorrect_cvc" | "invalid_cvc" => "the card's security code is incorrect",
        "incorrect_number" | "invalid_number" => "the card number is incorrect",
        "incorrect_zip" | "incorrect_address" => "the card's billing address is incorrect",
        "authentication_required" | "requires_action_not_handled" => "the card's bank asks the customer to confirm the payment",
        "card_not_supported" => "the card does not support this kind of purchase",
        "currency_not_supported" => "the card does not support this currency",
        "processing_error" | "try_again_later" | "issuer_not_available" | "reenter_transaction" => {
            "the card could not be processed; try again later"
        }
        "testmode_decline" => "the card is a test card",
        "amount_too_small" => "the amount is too small to be charged",
        "amount_too_large" => "the amount is too large to be charged",
        // OrderFlow's own code: Stripe's units are coarser than the currency's minor units.
        TOO_PRECISE => "this amount cannot be charged in this currency",
        "payment_intent_unexpected_state" | "charge_expired_for_capture" | "capture_charge_authorization_expired" => {
            "the authorization is not valid any more"
        }
        "balance_insufficient" => "the shop's balance with the gateway does not cover it",
        "charge_already_refunded" => "there is not that much left to give back",
        "payment_method_unexpected_state" | "payment_intent_incompatible_payment_method" => "the payment method is not valid",
        "resource_missing" if param == Some("payment_method") => "the payment method is not valid",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(kind: &str, code: &str, decline_code: Option<&str>) -> &'static str {
        let (code, decline_code) = (Some(code.to_owned()), decline_code.map(ToOwned::to_owned));
        Refusal { kind: kind.to_owned(), code, decline_code, param: None }.reason()
    }

    #[test]
    fn the_decline_code_says_more_than_the_code() {
        assert_eq!(reason("card_error", "card_declined", Some("insufficient_funds")), "the card has insufficient funds");
        assert_eq!(reason("card_error", "expired_card", None), "the card has expired");
        assert_eq!(reason("card_error", "incorrect_cvc", Some("incorrect_cvc")), "the card's security code is incorrect");
    }

    #[test]
    fn what_a_thief_must_not_know_is_a_decline_like_any_other() {
        for code in
            ["generic_decline", "lost_card", "stolen_card", "fraudulent", "pickup_card", "merchant_blacklist", "do_not_honor", "new"]
        {
            assert_eq!(reason("card_error", "card_declined", Some(code)), "the card was declined", "{code}");
        }
        assert_eq!(Refusal::default().reason(), "the payment was refused");
    }
}
