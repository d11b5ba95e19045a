use anchor_lang::prelude::*;

#[program]
pub mod loans {
    use super::*;

    pub fn borrow(ctx: Context<Borrow>, amount: u64) -> Result<()> {
        let clock = Clock::get()?;
        let price = price_of(&ctx.accounts.feed, clock.slot)?;
        ctx.accounts.loan.value = price * amount;
        Ok(())
    }
}

pub fn price_of(feed: &Account<Feed>, slot: u64) -> Result<u64> {
    require!(feed.agg.status == 1, LoanError::NotTrading);
    Ok(feed.agg.price)
}

#[derive(Accounts)]
pub struct Borrow<'info> {
    #[account(mut, has_one = owner, has_one = feed)]
    pub loan: Account<'info, Loan>,
    pub feed: Account<'info, Feed>,
    pub owner: Signer<'info>,
}

#[account]
pub struct Loan {
    pub owner: Pubkey,
    pub feed: Pubkey,
    pub value: u64,
}

#[account]
pub struct Feed {
    pub agg: Aggregate,
    pub valid_slot: u64,
}

#[derive(AnchorSerialize, AnchorDeserialize, Clone)]
pub struct Aggregate {
    pub price: u64,
    pub status: u8,
}
