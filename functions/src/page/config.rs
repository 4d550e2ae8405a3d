//! `config.json`: what web/src/config.ts reads. In AWS, infra/deploy writes it.

use super::Settings;
use crate::identity;
use serde::Serialize;
use serde_json::{Value, json};
use std::str::FromStr;

/// What customers can pay with.
#[derive(Clone, Debug)]
pub enum PaymentMethods {
    /// No money: what happens is chosen by the sandbox gateway's tokens, which the page knows.
    Sandbox,
    /// In the order in which it is offered.
    Named(Vec<PaymentMethod>),
}

#[derive(Clone, Debug, Serialize)]
pub struct PaymentMethod {
    /// The gateway's token.
    id: String,
    label: String,
}

impl PaymentMethods {
    /// What can be paid with at this gateway, named as the worker names it.
    #[must_use]
    pub fn at(self, gateway: &str) -> Self {
        if gateway == "sandbox" { Self::Sandbox } else { self }
    }
}

impl FromStr for PaymentMethods {
    type Err = &'static str;

    /// Reads `id=label,id=label`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let methods = text.split(',').map(str::trim).filter(|method| !method.is_empty()).map(|method| {
            let (id, label) = method.split_once('=').unwrap_or_default();
            let (id, label) = (id.trim().to_owned(), label.trim().to_owned());
            if id.is_empty() || label.is_empty() {
                Err("must be tokens and their names, such as pm_card=Card")
            } else {
                Ok(PaymentMethod { id, label })
            }
        });
        methods.collect::<Result<_, _>>().map(Self::Named)
    }
}

/// The page's configuration. Only what any visitor may know.
pub(super) fn json(settings: &Settings, identity: &identity::Settings, temporal_namespace: &str) -> String {
    let sign_in = identity
        .auth_issuer
        .as_ref()
        .zip(settings.auth_client_id.as_ref())
        .map_or(Value::Null, |(issuer, client_id)| json!({ "issuer": issuer, "clientId": client_id, "scope": settings.auth_client_scope }));
    let temporal = settings.temporal_web_port.map(|port| format!("http://localhost:{port}/namespaces/{temporal_namespace}"));
    let sandbox = matches!(settings.payment_methods, PaymentMethods::Sandbox);
    let links: Value = temporal.map_or_else(|| json!({}), |temporal| json!({ "temporal": temporal }));
    let mut config = json!({ "signIn": sign_in, "sandbox": sandbox, "ships": settings.shipped_by != "none", "links": links });
    if let PaymentMethods::Named(methods) = &settings.payment_methods
        && !methods.is_empty()
    {
        config["paymentMethods"] = json!(methods);
    }
    config.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        page: Settings,
        #[command(flatten)]
        identity: identity::Settings,
    }

    fn config(arguments: &[&str]) -> Value {
        config_at("stripe", arguments)
    }

    fn config_at(gateway: &str, arguments: &[&str]) -> Value {
        let mut cli = Cli::parse_from(["api"].iter().chain(arguments));
        cli.page.payment_methods = cli.page.payment_methods.at(gateway);
        serde_json::from_str(&json(&cli.page, &cli.identity, "orders")).unwrap()
    }

    #[test]
    fn an_open_shop_has_no_sign_in() {
        let links = json!({ "temporal": "http://localhost:8088/namespaces/orders" });
        let open = json!({ "signIn": null, "sandbox": false, "ships": true, "links": links });
        assert_eq!(config(&["--aws-endpoint-url", "http://127.0.0.1:4566", "--temporal-web-port", "8088"]), open);
        assert_eq!(config(&["--auth-issuer", "https://i"]), json!({ "signIn": null, "sandbox": false, "ships": true, "links": {} }));
    }

    #[test]
    fn an_issuer_and_a_client_are_a_sign_in() {
        let sign_in = json!({ "issuer": "https://i", "clientId": "page", "scope": "openid email" });
        let arguments = ["--auth-issuer", "https://i", "--auth-client-id", "page", "--auth-client-scope", "openid email"];
        assert_eq!(config(&arguments)["signIn"], sign_in);
    }

    #[test]
    fn a_shop_without_a_carrier_ships_nothing() {
        assert_eq!(config(&["--carrier", "none"])["ships"], false);
        assert_eq!(config(&["--carrier", "sandbox"])["ships"], true);
    }

    #[test]
    fn only_the_sandbox_gateway_moves_no_money() {
        let arguments = ["--aws-endpoint-url", "http://127.0.0.1:4566", "--payment-methods", "pm_card=Card"];
        let (sandbox, stripe) = (config_at("sandbox", &arguments), config_at("stripe", &arguments));
        assert_eq!((&sandbox["sandbox"], sandbox.get("paymentMethods")), (&json!(true), None));
        assert_eq!((&stripe["sandbox"], &stripe["paymentMethods"][0]["id"]), (&json!(false), &json!("pm_card")));
    }

    #[test]
    fn what_can_be_paid_with_is_named_in_its_order() {
        let methods = json!([{ "id": "pm_sepa", "label": "Direct debit" }, { "id": "pm_card", "label": "Card" }]);
        assert_eq!(config(&["--payment-methods", "pm_sepa=Direct debit, pm_card=Card"])["paymentMethods"], methods);
        assert_eq!(config(&["--payment-methods", ""]).get("paymentMethods"), None);
        for wrong in ["pm_card", "=Card", "pm_card= "] {
            assert!(Cli::try_parse_from(["api", "--payment-methods", wrong]).is_err(), "{wrong}");
        }
    }
}
