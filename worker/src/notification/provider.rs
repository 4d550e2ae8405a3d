//! Hands messages to SES and SNS, and tells which of their refusals are final.

use super::templates::Mail;
use anyhow::{Context, anyhow};
use aws_sdk_ses::{
    error::{ProvideErrorMetadata, SdkError},
    types::{Body, Content, Destination, Message},
};
use aws_sdk_sns::types::MessageAttributeValue;
use std::error::Error;

/// Codes with which SES refuses a message or an address for good.
const SES_REFUSALS: &[&str] = &["MessageRejected", "InvalidParameterValue"];
/// Codes with which SNS refuses a message or a number for good. A number whose owner has opted out is mostly no refusal: SNS takes the message, and
/// tells only its delivery log that it was not delivered.
const SNS_REFUSALS: &[&str] = &["InvalidParameter", "ParameterValueInvalid", "ValidationException", "OptedOut"];

/// Why a message was not taken.
#[derive(Debug)]
pub(super) enum Failure {
    /// Another attempt would end in the same way.
    Refused(anyhow::Error),
    /// Another attempt may work.
    Temporary(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Temporary(error)
    }
}

pub(super) struct Provider {
    pub(super) ses: aws_sdk_ses::Client,
    pub(super) sns: aws_sdk_sns::Client,
    pub(super) email_from: String,
    /// By it SES knows where to tell of bounces.
    pub(super) configuration_set: Option<String>,
}

impl Provider {
    /// Answers the message's id at SES.
    pub(super) async fn email(&self, recipient: &str, mail: &Mail) -> Result<String, Failure> {
        let content = |text: &str| Content::builder().data(text).charset("UTF-8").build().context("a mail without content");
        let body = Body::builder().text(content(&mail.text)?).html(content(&mail.html)?).build();
        let message = Message::builder().subject(content(&mail.subject)?).body(body).build();
        let destination = Destination::builder().to_addresses(recipient).build();
        let send = self.ses.send_email().source(&self.email_from).destination(destination).message(message);
        let sent = send.set_configuration_set_name(self.configuration_set.clone()).send().await;
        Ok(sent.map_err(|error| failure("SES", SES_REFUSALS, error))?.message_id)
    }

    /// Answers the message's id at SNS.
    pub(super) async fn sms(&self, recipient: &str, text: &str) -> Result<String, Failure> {
        let transactional = MessageAttributeValue::builder().data_type("String").string_value("Transactional").build();
        let transactional = transactional.context("an attribute without a type")?;
        let send = self.sns.publish().phone_number(recipient).message(text).message_attributes("AWS.SNS.SMS.SMSType", transactional);
        let sent = send.send().await.map_err(|error| failure("SNS", SNS_REFUSALS, error))?;
        sent.message_id.ok_or_else(|| Failure::Temporary(anyhow!("SNS gave no message id")))
    }
}

fn failure<E>(service: &'static str, refusals: &[&str], error: SdkError<E>) -> Failure
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let refused = error.code().is_some_and(|code| refusals.contains(&code));
    let error = anyhow::Error::new(error).context(service);
    if refused { Failure::Refused(error) } else { Failure::Temporary(error) }
}
