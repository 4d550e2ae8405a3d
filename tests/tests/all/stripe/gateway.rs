//! The Stripe gateway against the stand-in: the requests that it sends, and how it interprets the
//! answers.

use super::{API_KEY, ORDER, VISA, mock::StripeMock, payment, stand_in::StandIn, stripe, stripe_at};
use crate::support::run;
use anyhow::{Result, ensure};
use worker::payment::{ChargeStatus, Error, ExternalRefund, Gateway, Payment, Refund, Reversal, State, Statement, Stripe};

/// A payment that is authorized.
pub(super) async fn authorized(stripe: &Stripe) -> Result<Payment> {
    let mut payment = payment();
    payment.reference = Some(stripe.authorize(&payment, VISA).await?);
    Ok(payment)
}

/// A payment that is captured.
pub(super) async fn captured(stripe: &Stripe) -> Result<Payment> {
    let payment = authorized(stripe).await?;
    stripe.capture(&payment).await?;
    Ok(payment)
}

pub(super) fn partial_refund(amount_minor: i64) -> Refund {
    Refund { idempotency_key: "ref_01930000000070008000000000000001".to_owned(), amount_minor, may_be_known: false, refusals: 0 }
}

/// The requests received, as text: the call without ids, the idempotency key, and the form.
fn received_requests(stand_in: &StandIn, id: &str) -> Vec<String> {
    let received = stand_in.received().into_iter().map(|received| {
        let form: Vec<_> = received.form.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} [{}] {}", received.call, received.key.unwrap_or_default(), form.join(" ")).replace(id, "PI").replace(ORDER, "ORD")
    });
    received.collect()
}

#[test]
fn an_order_is_authorized_captured_and_refunded_by_these_requests() {
    run(async {
        let (stand_in, stripe) = stripe().await?;
        let payment = captured(&stripe).await?;
        stripe.refund(&payment, &partial_refund(2_500)).await?;
        let (id, intent) = stand_in.intent(ORDER)?;
        assert_eq!(payment.reference.as_ref(), Some(&id));
        assert_eq!((intent.amount, intent.currency.as_str(), intent.captured, intent.refunded), (7_500, "usd", 7_500, 2_500));
        let create = "POST /v1/payment_intents [ORD] amount=7500 automatic_payment_methods[allow_redirects]=never \
            automatic_payment_methods[enabled]=true capture_method=manual currency=usd metadata[order_id]=ORD";
        let refund = "ref_01930000000070008000000000000001";
        let expected = [
            create,
            "POST /v1/payment_intents/PI/confirm [ORD:confirm] off_session=true payment_method=pm_card_visa",
            "POST /v1/payment_intents/PI/capture [ORD:capture] ",
            &format!("POST /v1/refunds [{refund}] amount=2500 metadata[refund_id]={refund} payment_intent=PI"),
        ];
        assert_eq!(received_requests(&stand_in, &id), expected);
        assert_eq!(stripe.reverse(&payment).await?, Reversal::Refunded(id.clone()));
        let expected =
            ["GET /v1/payment_intents/PI [] expand[]=latest_charge", "POST /v1/refunds [] metadata[order_id]=ORD payment_intent=PI"];
        assert_eq!(received_requests(&stand_in, &id)[4..], expected);
        assert_eq!(stand_in.intent(ORDER)?.1.refunded, 7_500);
        ensure!(stand_in.received().iter().all(|received| received.status == 200), "{:?}", stand_in.received());
        Ok(())
    });
}

#[test]
fn repeated_requests_have_one_effect() {
    run(async {
        let (stand_in, stripe) = stripe().await?;
        for _ in 0..3 {
            let payment = captured(&stripe).await?;
            stripe.refund(&payment, &partial_refund(2_500)).await?;
        }
        let (_, intent) = stand_in.intent(ORDER)?;
        assert_eq!((intent.authorizations, intent.captures, intent.refunded), (1, 1, 2_500));
        Ok(())
    });
}

#[test]
fn a_decline_has_a_reason_and_holds_nothing() {
    run(async {
        for (method, reason) in [
            ("pm_card_visa_chargeDeclined", "the card was declined"),
            ("pm_card_visa_chargeDeclinedInsufficientFunds", "the card has insufficient funds"),
            ("pm_card_visa_chargeDeclinedLostCard", "the card was declined"),
            ("pm_card_chargeDeclinedExpiredCard", "the card has expired"),
            ("pm_card_chargeDeclinedIncorrectCvc", "the card's security code is incorrect"),
            ("pm_card_chargeDeclinedProcessingError", "the card could not be processed; try again later"),
            ("pm_card_authenticationRequired", "the card's bank asks the customer to confirm the payment"),
        ] {
            let (stand_in, stripe) = stripe().await?;
            for _ in 0..2 {
                let declined = stripe.authorize(&payment(), method).await;
                ensure!(matches!(&declined, Err(Error::Declined(stated)) if stated == reason), "{method}: {declined:?}");
                assert_eq!(stripe.look_up(&payment()).await?, ChargeStatus::Declined(reason.to_owned()), "{method}");
            }
            assert_eq!(stripe.reverse(&payment()).await?, Reversal::Nothing, "{method}");
            let (_, intent) = stand_in.intent(ORDER)?;
            assert_eq!((intent.status, intent.authorizations), ("canceled", 0), "{method}");
        }
        Ok(())
    });
}

#[test]
fn a_payment_that_stripe_cannot_process_is_declined() {
    run(async {
        let (_stand_in, stripe) = stripe().await?;
        let declined = async |payment: &Payment, method: &str| match stripe.authorize(payment, method).await {
            Err(Error::Declined(reason)) => Ok(reason),
            other => Err(anyhow::anyhow!("{other:?}")),
        };
        let another = |number: u8| Payment { idempotency_key: format!("ord_0193000000007000800000000000000{number}"), ..payment() };
        for (number, method) in [(2, "pm_unknown"), (3, "tok_visa")] {
            assert_eq!(declined(&another(number), method).await?, "the payment method is not valid");
        }
        let small = Payment { amount_minor: 49, ..another(4) };
        assert_eq!(declined(&small, VISA).await?, "the amount is too small to be charged");
        assert_eq!(stripe.look_up(&small).await?, ChargeStatus::Open);
        assert_eq!(stripe.reverse(&small).await?, Reversal::Nothing);
        let fine = Payment { amount_minor: 5_124, currency: ::orders::Currency::KWD, ..payment() };
        assert_eq!(declined(&fine, VISA).await?, "this amount cannot be charged in this currency");
        Ok(())
    });
}

#[test]
fn amounts_are_in_stripes_units() {
    run(async {
        use ::orders::Currency;
        for (currency, minor, amount) in [(Currency::JPY, 500, 500), (Currency::ISK, 5, 500), (Currency::KWD, 5_120, 5_120)] {
            let (stand_in, stripe) = stripe().await?;
            let payment = Payment { amount_minor: minor, currency, ..payment() };
            stripe.authorize(&payment, VISA).await?;
            let (_, intent) = stand_in.intent(ORDER)?;
            assert_eq!((intent.amount, intent.currency), (amount, currency.code().to_lowercase()));
        }
        Ok(())
    });
}

#[test]
fn a_statement_separates_our_refunds_from_others() {
    run(async {
        let (stand_in, stripe) = stripe().await?;
        let payment = authorized(&stripe).await?;
        let statement = |state| Statement { state, external_refunds: Vec::new() };
        assert_eq!(stripe.statement(&payment).await?, statement(State::Authorized));
        stripe.capture(&payment).await?;
        stripe.refund(&payment, &partial_refund(2_500)).await?;
        assert_eq!(stripe.statement(&payment).await?, statement(State::Captured));
        let (id, _) = stand_in.intent(ORDER)?;
        stand_in.refund_in_dashboard(&id, 5_000)?;
        let statement = stripe.statement(&payment).await?;
        let is_external = matches!(&statement.external_refunds[..], [ExternalRefund { amount_minor: 5_000, .. }]);
        ensure!(is_external && statement.state == State::Refunded, "{statement:?}");
        let too_much = stripe.refund(&payment, &Refund { idempotency_key: "ref_2".to_owned(), ..partial_refund(1) }).await;
        ensure!(matches!(&too_much, Err(Error::Declined(reason)) if reason == "there is not that much left to give back"), "{too_much:?}");
        Ok(())
    });
}

#[test]
fn a_server_with_an_untrusted_certificate_gets_no_request() {
    run(async {
        let stripe = stripe_at(&StripeMock::shared().await?.tls_url, API_KEY).await?;
        let Err(Error::Unavailable(error)) = stripe.authorize(&payment(), VISA).await else { anyhow::bail!("it was trusted") };
        ensure!(format!("{error:?}").to_lowercase().contains("certificate"), "{error:?}");
        Ok(())
    });
}

#[test]
fn a_wrong_api_key_is_no_decline_and_is_not_logged() {
    run(async {
        let (stand_in, _) = stripe().await?;
        let wrong = "sk_test_SomebodyElses";
        let stripe = stripe_at(&stand_in.url, wrong).await?;
        let Err(Error::Unavailable(error)) = stripe.authorize(&payment(), VISA).await else { anyhow::bail!("it was let in") };
        let shown = format!("{error:#} {error:?}");
        ensure!(shown.contains("401") && !shown.contains(wrong) && !shown.contains("****"), "{shown}");
        for url in ["http://stripe.example", "ftp://127.0.0.1", ""] {
            let error = stripe_at(url, API_KEY).await.err().map(|error| error.to_string()).unwrap_or_default();
            ensure!(error.contains("STRIPE_URL"), "{url}: {error}");
        }
        Ok(())
    });
}
