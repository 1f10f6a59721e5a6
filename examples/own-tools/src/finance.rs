//! Money over time. Rates are fractions: 0.05 is five percent.

use schemars::JsonSchema;
use serde::Deserialize;
use toolwave_worker::{SharedTool, ToolError};

use crate::{finite, pure, undefined};

/// Money that grows.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deposit {
    /// What there is now.
    pub present_value: f64,
    /// A period.
    pub interest_rate: f64,
    /// How many periods.
    pub periods: u16,
}

/// A loan paid back in equal monthly payments.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Loan {
    /// The sum lent.
    pub loan_amount: f64,
    /// A year.
    pub interest_rate: f64,
    /// In years.
    #[schemars(range(min = 1, max = 1000))]
    pub loan_period: u16,
}

/// An investment with a contribution each year.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Investment {
    /// What there is now.
    pub initial_investment: f64,
    /// What is added each year.
    pub annual_contribution: f64,
    /// For how long.
    #[schemars(range(max = 1000))]
    pub years: u16,
    /// A year.
    pub annual_return: f64,
    /// Of each year; the last one goes on for the years that have none.
    #[schemars(length(min = 1))]
    pub inflation_rate: Vec<f64>,
    /// Whether to take inflation off.
    #[serde(default = "yes")]
    pub adjust_for_inflation: bool,
}

fn yes() -> bool {
    true
}

pub(crate) fn tools() -> Vec<SharedTool> {
    vec![
        pure(
            "calculate_future_value",
            "Calculates the future value of an investment.",
            |p: Deposit| finite(p.present_value * (1.0 + p.interest_rate).powi(p.periods.into())),
        ),
        pure(
            "mortgage_calculator",
            "Calculates the monthly mortgage payment.",
            monthly_payment,
        ),
        pure(
            "calculate_investment_value",
            "Calculates the value of an investment over time.",
            investment_value,
        ),
    ]
}

fn monthly_payment(p: Loan) -> Result<f64, ToolError> {
    let months = f64::from(p.loan_period) * 12.0;
    let rate = p.interest_rate / 12.0;
    if months == 0.0 {
        return Err(undefined("a loan is paid back over at least a year"));
    }
    if rate == 0.0 {
        return finite(p.loan_amount / months);
    }
    // ln_1p and exp_m1 keep the digits that 1 + rate loses for a small rate
    finite(p.loan_amount * rate / -(-months * rate.ln_1p()).exp_m1())
}

fn investment_value(p: Investment) -> Result<f64, ToolError> {
    let mut value = p.initial_investment;
    for year in 0..usize::from(p.years) {
        let inflation = match p.inflation_rate.get(year).or(p.inflation_rate.last()) {
            _ if !p.adjust_for_inflation => 0.0,
            Some(rate) => *rate,
            None => return Err(undefined("inflation_rate is empty: one rate at least is needed")),
        };
        value = value * (1.0 + p.annual_return - inflation) + p.annual_contribution * (1.0 - inflation);
    }
    finite(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn investment(inflation_rate: Vec<f64>, adjust_for_inflation: bool) -> Investment {
        Investment {
            initial_investment: 1000.0,
            annual_contribution: 100.0,
            years: 2,
            annual_return: 0.5,
            inflation_rate,
            adjust_for_inflation,
        }
    }

    #[test]
    fn a_loan_without_interest_is_divided_evenly() {
        assert_eq!(
            monthly_payment(Loan {
                loan_amount: 1200.0,
                interest_rate: 0.0,
                loan_period: 1
            }),
            Ok(100.0)
        );
        let payment = monthly_payment(Loan {
            loan_amount: 350_000.0,
            interest_rate: 0.035,
            loan_period: 30,
        });
        assert!((payment.unwrap() - 1571.6564073308857).abs() < 1e-9);
    }

    #[test]
    fn the_last_inflation_rate_goes_on() {
        assert_eq!(investment_value(investment(vec![0.25], true)), Ok(1731.25));
        assert_eq!(investment_value(investment(vec![0.25, 0.25], true)), Ok(1731.25));
        assert_eq!(investment_value(investment(Vec::new(), false)), Ok(2500.0));
        assert!(investment_value(investment(Vec::new(), true)).is_err());
    }
}
