//! Orders and diets.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toolwave_worker::{SharedTool, ToolError};

use crate::{finite, pure, undefined};

/// An order: the three lists go together.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// What.
    pub item: Vec<String>,
    /// How many of each.
    pub quantity: Vec<u32>,
    /// What one of each costs.
    pub price: Vec<f64>,
}

/// Who eats.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// In kilograms.
    pub weight: f64,
    /// In centimetres.
    pub height: f64,
    /// In years.
    pub age: f64,
    /// Whose formula applies.
    pub gender: Gender,
    /// From 1 (sits) to 5 (works hard).
    #[schemars(range(min = 1, max = 5))]
    pub activity_level: u8,
    /// What the weight should do.
    pub goal: Goal,
}

/// Whose formula for the basal metabolic rate applies.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Gender {
    /// The male one.
    Male,
    /// The female one.
    Female,
    /// The female one.
    Other,
}

/// What the weight should do.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Goal {
    /// 500 kcal a day less.
    Lose,
    /// 500 kcal a day more.
    Gain,
    /// As much as is used.
    Maintain,
}

/// What a day's food should hold.
#[derive(Debug, PartialEq, Serialize)]
pub struct Needs {
    /// In kcal.
    pub calories: f64,
    /// 30 % of the calories, 4 kcal a gram.
    pub proteins_g: f64,
    /// 25 % of the calories, 9 kcal a gram.
    pub fats_g: f64,
    /// 45 % of the calories, 4 kcal a gram.
    pub carbohydrates_g: f64,
}

pub(crate) fn tools() -> Vec<SharedTool> {
    vec![
        pure(
            "order_food",
            "Orders food for a customer; answers the total price.",
            total,
        ),
        pure(
            "calculate_nutritional_needs",
            "Calculates what a person should eat in a day.",
            needs,
        ),
    ]
}

fn total(p: Order) -> Result<f64, ToolError> {
    if p.item.len() != p.quantity.len() || p.item.len() != p.price.len() {
        let (items, quantities, prices) = (p.item.len(), p.quantity.len(), p.price.len());
        return Err(undefined(format!(
            "{items} items with {quantities} quantities and {prices} prices"
        )));
    }
    finite(
        p.quantity
            .into_iter()
            .zip(p.price)
            .map(|(quantity, price)| f64::from(quantity) * price)
            .sum(),
    )
}

/// The Harris-Benedict equations as Roza and Shizgal revised them in 1984.
fn needs(p: Person) -> Result<Needs, ToolError> {
    let [base, weight, height, age] = match p.gender {
        Gender::Male => [88.362, 13.397, 4.799, 5.677],
        Gender::Female | Gender::Other => [447.593, 9.247, 3.098, 4.330],
    };
    let activity = match p.activity_level {
        1 => 1.2,
        2 => 1.375,
        3 => 1.55,
        4 => 1.725,
        5 => 1.9,
        other => return Err(undefined(format!("activity_level {other} is not one of 1 to 5"))),
    };
    let change = match p.goal {
        Goal::Lose => -500.0,
        Goal::Gain => 500.0,
        Goal::Maintain => 0.0,
    };
    let calories = finite((base + weight * p.weight + height * p.height - age * p.age) * activity + change)?;
    Ok(Needs {
        calories,
        proteins_g: calories * 0.30 / 4.0,
        fats_g: calories * 0.25 / 9.0,
        carbohydrates_g: calories * 0.45 / 4.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_needs_a_quantity_and_a_price_of_each_item() {
        let order = |quantity: &[u32]| Order {
            item: vec!["pizza".into(), "soda".into()],
            quantity: quantity.into(),
            price: vec![8.0, 1.5],
        };
        assert_eq!(total(order(&[3, 2])), Ok(27.0));
        assert!(total(order(&[3])).is_err());
    }

    #[test]
    fn nutrients_share_the_calories() {
        let text =
            r#"{"weight":70,"height":160,"age":55,"gender":"female","activity_level":1,"goal":"lose"}"#;
        let needs = needs(serde_json::from_str(text).unwrap()).unwrap();
        assert!((needs.calories - 1122.8956).abs() < 1e-6, "{needs:?}");
        let sum = needs.proteins_g * 4.0 + needs.fats_g * 9.0 + needs.carbohydrates_g * 4.0;
        assert!((sum - needs.calories).abs() < 1e-9);
    }
}
