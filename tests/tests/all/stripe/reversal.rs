//! Reversal: whatever happened before, in the end nothing is charged, and nothing can be.

use super::{
    ORDER, VISA,
    gateway::{held, part, taken},
    payment,
    stand_in::Trouble,
    stripe,
};
use crate::support::run;
use anyhow::{Result, ensure};
use std::time::Duration;
use tokio::time::timeout;
use worker::payment::{Error, Gateway, Payment, Reversal, Stripe};

/// Repeats the reversal, as the worker does, until its result is known.
async fn reversed(stripe: &Stripe, payment: &Payment) -> Result<Reversal> {
    for _ in 0..4 {
        if let Ok(Ok(reversal)) = timeout(Duration::from_secs(1), stripe.reverse(payment)).await {
            return Ok(reversal);
        }
    }
    anyhow::bail!("not reversed in four attempts")
}

#[test]
fn what_was_never_asked_for_cannot_be_charged_any_more() {
    run(async {
        let (stand_in, stripe) = stripe().await?;
        for _ in 0..2 {
            assert_eq!(stripe.reverse(&payment()).await?, Reversal::Nothing);
        }
        let late = stripe.authorize(&payment(), VISA).await;
        ensure!(matches!(&late, Err(Error::Declined(reason)) if reason == "the authorization is not valid any more"), "{late:?}");
        let (_, intent) = stand_in.intent(ORDER)?;
        assert_eq!((intent.status, intent.holds), ("canceled", 0));
        Ok(())
    });
}

#[test]
fn what_is_held_is_voided_whether_or_not_its_reference_is_known() {
    run(async {
        for known in [true, false] {
            let (stand_in, stripe) = stripe().await?;
            let mut payment = held(&stripe).await?;
            let id = payment.reference.clone().unwrap_or_default();
            payment.reference = payment.reference.filter(|_| known);
            for _ in 0..2 {
                assert_eq!(stripe.reverse(&payment).await?, Reversal::Voided(id.clone()), "known: {known}");
            }
            assert_eq!(stand_in.intent(ORDER)?.1.status, "canceled");
            let payment = Payment { reference: Some(id), ..payment };
            ensure!(matches!(stripe.authorize(&payment, VISA).await, Err(Error::Declined(_))), "it is held again");
            ensure!(matches!(stripe.capture(&payment).await, Err(Error::Declined(_))), "it is taken");
        }
        Ok(())
    });
}

#[test]
fn what_was_taken_is_given_back_but_not_what_was_given_back_before() {
    run(async {
        for given in [0, 2_500, 7_500] {
            let (stand_in, stripe) = stripe().await?;
            let payment = taken(&stripe).await?;
            if given > 0 {
                stripe.refund(&payment, &part(given)).await?;
            }
            for _ in 0..2 {
                ensure!(matches!(stripe.reverse(&payment).await?, Reversal::Refunded(_)), "after {given}");
            }
            assert_eq!(stand_in.intent(ORDER)?.1.refunded, 7_500, "after {given}");
        }
        Ok(())
    });
}

#[test]
fn trouble_on_the_way_leaves_nothing_charged() {
    run(async {
        let every = [Trouble::AnswerLost, Trouble::Fails { done: false }, Trouble::Fails { done: true }, Trouble::Refused("lock_timeout")];
        for trouble in every {
            let (stand_in, stripe) = stripe().await?;
            let payment = held(&stripe).await?;
            stand_in.trouble("/cancel", trouble);
            ensure!(matches!(reversed(&stripe, &payment).await?, Reversal::Voided(_)), "{trouble:?}");
            assert_eq!(stand_in.intent(ORDER)?.1.status, "canceled", "{trouble:?}");

            let (stand_in, stripe) = super::stripe().await?;
            let payment = taken(&stripe).await?;
            stand_in.trouble("/refunds", trouble);
            ensure!(matches!(reversed(&stripe, &payment).await?, Reversal::Refunded(_)), "{trouble:?}");
            assert_eq!(stand_in.intent(ORDER)?.1.refunded, 7_500, "{trouble:?}");

            let (stand_in, stripe) = super::stripe().await?;
            stand_in.trouble("/payment_intents", trouble);
            assert_eq!(reversed(&stripe, &super::payment()).await?, Reversal::Nothing, "{trouble:?}");
            ensure!(stand_in.is_quiet());
        }
        Ok(())
    });
}

#[test]
fn what_somebody_takes_meanwhile_is_given_back() {
    run(async {
        let (stand_in, stripe) = stripe().await?;
        let payment = held(&stripe).await?;
        stand_in.trouble("/cancel", Trouble::CapturedMeanwhile);
        ensure!(matches!(stripe.reverse(&payment).await?, Reversal::Refunded(_)));
        assert_eq!(stand_in.intent(ORDER)?.1.refunded, 7_500);
        Ok(())
    });
}

#[test]
fn another_orders_intent_is_left_alone() {
    run(async {
        let (stand_in, stripe) = stripe().await?;
        let theirs = taken(&stripe).await?;
        let ours = Payment { idempotency_key: "ord_01930000000070008000000000000002".to_owned(), ..theirs };
        ensure!(stripe.reverse(&ours).await.is_err() && stripe.statement(&ours).await.is_err());
        let unknown = Payment { reference: Some("pi_unknown".to_owned()), ..ours };
        ensure!(stripe.reverse(&unknown).await.is_err() && stripe.look_up(&unknown).await.is_err());
        assert_eq!(stand_in.intent(ORDER)?.1.refunded, 0);
        Ok(())
    });
}
