//! The sandbox gateway's books.

use super::{rows, statements};

statements! { "sandbox_gateway";
    cached fn authorize_charge(Attempt<'a> {
        idempotency_key: &'a str,
        amount_minor: i64,
        currency: &'a str,
        payment_method: &'a str,
        /// The charge's state after the deciding attempt.
        decided_state: &'a str,
        decline_code: Option<&'a str>,
        /// The number of the attempt that decides, counted from 1.
        decides_at: i32,
    }) -> Option<Charge>;
    cached fn capture_charge(key: &str) -> Option<CapturedCharge>;
    cached fn find_charge(key: &str) -> Option<FoundCharge>;
    cached fn charge_state(key: &str) -> Option<ChargeState>;
    once fn reverse_charge(key: &str, currency: &str) -> ReversedCharge;
    once fn refund_charge(key: &str, refund_key: &str, amount_minor: i64) -> Option<RefundedCharge>;
    once fn lock_charge(key: &str) -> Option<LockedCharge>;
    once fn count_refund_attempt(key: &str) -> RefundAttempts;
}

rows! {
    struct Charge {
        id: String,
        amount_minor: i64,
        currency: String,
        state: String,
        decline_code: Option<String>,
    }

    struct CapturedCharge {
        state: String,
        payment_method: Option<String>,
        captures: i32,
    }

    struct FoundCharge {
        id: String,
        state: String,
        decline_code: Option<String>,
    }

    struct ChargeState {
        state: String,
    }

    struct ReversedCharge {
        id: String,
        state: String,
        /// `None` if the gateway did not know the charge before.
        state_before: Option<String>,
    }

    struct RefundedCharge {
        is_refunded: bool,
    }

    struct LockedCharge {
        payment_method: Option<String>,
        is_captured: bool,
    }

    struct RefundAttempts {
        refund_attempts: i32,
    }
}
