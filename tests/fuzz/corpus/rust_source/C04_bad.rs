use anchor_lang::prelude::*;

declare_id!("11111111111111111111111111111111");

#[program]
pub mod piggy {
    use super::*;

    pub fn smash(ctx: Context<Smash>) -> Result<()> {
        let bank = ctx.accounts.bank.to_account_info();
        let owner = ctx.accounts.owner.to_account_info();
        let all = bank.lamports();
        **owner.try_borrow_mut_lamports()? += all;
        **bank.try_borrow_mut_lamports()? = 0;
        Ok(())
    }
}

#[derive(Accounts)]
pub struct Smash<'info> {
    #[account(mut, has_one = owner)]
    pub bank: Account<'info, Bank>,
    #[account(mut)]
    pub owner: Signer<'info>,
}

#[account]
pub struct Bank {
    pub owner: Pubkey,
}
