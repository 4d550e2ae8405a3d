//! The few calls of CloudFormation that local mode makes, in the AWS Query protocol
//! (<https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/>). AWS's own crate has
//! ninety calls, and compiling them takes as long as all other code of local mode. Requests are not
//! signed, so this works only with an emulator.

use crate::Settings;
use anyhow::{Context, Result, bail};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use roxmltree::{Document, Node};
use std::{collections::HashMap, time::Duration};

/// The version of CloudFormation's API.
const VERSION: &str = "2010-05-15";
/// The maximum time for one call. On a busy machine, the emulator creates a stack for seconds.
const ANSWER: Duration = Duration::from_secs(60);

/// A stack as CloudFormation describes it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stack {
    /// Such as `CREATE_COMPLETE`.
    pub(super) status: String,
    /// Why the stack has this status. It may be empty.
    pub(super) reason: String,
    pub(super) parameters: HashMap<String, String>,
    pub(super) outputs: HashMap<String, String>,
}

pub(super) struct CloudFormation {
    http: reqwest::Client,
    endpoint: String,
    authorization: String,
}

impl CloudFormation {
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        // The emulator reads the caller and the service from the header. It does not verify the
        // signature of the owner's key.
        let (key, region) = (settings.get("AWS_ACCESS_KEY_ID")?, settings.get("AWS_REGION")?);
        let scope = format!("{key}/20260101/{region}/cloudformation/aws4_request");
        let authorization = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=none");
        // Each call opens its own connection, so none meets one that the emulator is closing.
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER).pool_max_idle_per_host(0).build()?;
        Ok(Self { http, endpoint: settings.get("AWS_ENDPOINT_URL")?.to_owned(), authorization })
    }

    pub(super) async fn create_stack(&self, name: &str, template: &str, parameters: &HashMap<String, String>) -> Result<()> {
        self.call("CreateStack", name, &with_template(template, parameters)).await.map(drop)
    }

    /// Updates a stack. It is no error if the template changes nothing.
    pub(super) async fn update_stack(&self, name: &str, template: &str, parameters: &HashMap<String, String>) -> Result<()> {
        match self.call("UpdateStack", name, &with_template(template, parameters)).await {
            Err(error) if error.to_string().contains("No updates are to be performed") => Ok(()),
            result => result.map(drop),
        }
    }

    pub(super) async fn delete_stack(&self, name: &str) -> Result<()> {
        self.call("DeleteStack", name, &[]).await.map(drop)
    }

    /// Returns `None` if there is no such stack.
    pub(super) async fn stack(&self, name: &str) -> Result<Option<Stack>> {
        match self.call("DescribeStacks", name, &[]).await {
            Err(error) if error.to_string().contains("does not exist") => Ok(None),
            answer => parse_stack(&answer?),
        }
    }

    /// Returns the answer, an XML document. An error contains CloudFormation's message.
    async fn call(&self, action: &str, stack: &str, parameters: &[(String, String)]) -> Result<String> {
        let fixed = [("Action", action), ("Version", VERSION), ("StackName", stack)];
        let given = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fixed.into_iter().chain(given)).finish();
        let request = self.http.post(&self.endpoint).header(AUTHORIZATION, &self.authorization);
        let answer = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        if !status.is_success() {
            bail!("CloudFormation's {action} answered {status}: {}", message(&text).unwrap_or(text));
        }
        Ok(text)
    }
}

fn with_template(template: &str, parameters: &HashMap<String, String>) -> Vec<(String, String)> {
    let members = parameters.iter().zip(1..).flat_map(|((key, value), number)| {
        let member = format!("Parameters.member.{number}");
        [(format!("{member}.ParameterKey"), key.clone()), (format!("{member}.ParameterValue"), value.clone())]
    });
    [("TemplateBody".to_owned(), template.to_owned())].into_iter().chain(members).collect()
}

/// The message of an error document.
fn message(text: &str) -> Option<String> {
    let document = Document::parse(text).ok()?;
    let message = document.descendants().find(|node| node.has_tag_name_of("Message"))?;
    message.text().map(ToOwned::to_owned)
}

fn parse_stack(text: &str) -> Result<Option<Stack>> {
    let document = Document::parse(text).context("CloudFormation's answer is not XML")?;
    let Some(stacks) = document.descendants().find(|node| node.has_tag_name_of("Stacks")) else { return Ok(None) };
    let Some(stack) = stacks.children().find(Node::is_element) else { return Ok(None) };
    Ok(Some(Stack {
        status: stack.text_of("StackStatus"),
        reason: stack.text_of("StackStatusReason"),
        parameters: pairs(stack, "Parameters", "ParameterKey", "ParameterValue"),
        outputs: pairs(stack, "Outputs", "OutputKey", "OutputValue"),
    }))
}

fn pairs(stack: Node<'_, '_>, list: &str, key: &str, value: &str) -> HashMap<String, String> {
    let list = stack.children().find(|node| node.has_tag_name_of(list));
    let members = list.into_iter().flat_map(|list| list.children().filter(Node::is_element));
    members.map(|member| (member.text_of(key), member.text_of(value))).collect()
}

/// Elements by their name, whatever their namespace is.
trait Element {
    fn has_tag_name_of(&self, name: &str) -> bool;

    /// The text of the child with this name, or an empty text.
    fn text_of(&self, name: &str) -> String;
}

impl Element for Node<'_, '_> {
    fn has_tag_name_of(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }

    fn text_of(&self, name: &str) -> String {
        let child = self.children().find(|node| node.has_tag_name_of(name));
        child.and_then(|child| child.text()).unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_is_read_from_the_answer() {
        let answer = r#"<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks>
            <member><StackName>a</StackName><StackStatus>CREATE_COMPLETE</StackStatus>
            <Parameters><member><ParameterKey>Name</ParameterKey><ParameterValue>of</ParameterValue></member></Parameters>
            <Outputs><member><OutputKey>Table</OutputKey><OutputValue>a&amp;b</OutputValue></member>
            <member><OutputKey>Queue</OutputKey><OutputValue>q</OutputValue></member></Outputs></member>
            </Stacks></DescribeStacksResult></DescribeStacksResponse>"#;
        let stack = parse_stack(answer).unwrap().unwrap();
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let expected = Stack {
            status: "CREATE_COMPLETE".to_owned(),
            reason: String::new(),
            parameters: map(&[("Name", "of")]),
            outputs: map(&[("Table", "a&b"), ("Queue", "q")]),
        };
        assert_eq!(stack, expected);
        assert_eq!(parse_stack("<R><Stacks/></R>").unwrap(), None);
    }

    #[test]
    fn an_error_has_a_message() {
        let answer =
            "<ErrorResponse xmlns='x'><Error><Code>ValidationError</Code><Message>Stack a does not exist</Message></Error></ErrorResponse>";
        assert_eq!(message(answer).as_deref(), Some("Stack a does not exist"));
        assert_eq!(message("no XML"), None);
    }
}
